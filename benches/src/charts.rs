//! Comparisons drawn as SVG: taskshelf in a strong colour, the others muted.

use std::error::Error;
use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::paired::{Role, Spread};
use crate::report::{Row, brief, names};

type Outcome = Result<(), Box<dyn Error>>;
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

const WIDTH: u32 = 960;
const PANEL_HEIGHT: u32 = 340;
const HEAD: u32 = 84;
const FONT: &str = "sans-serif";
const INK: RGBColor = RGBColor(51, 51, 51);
const GRID: RGBColor = RGBColor(228, 228, 228);
const OURS: RGBColor = RGBColor(200, 62, 20);
const ASIDE: RGBColor = RGBColor(205, 205, 205);
const PEERS: [RGBColor; 5] = [
    RGBColor(96, 125, 155),
    RGBColor(152, 176, 190),
    RGBColor(142, 158, 125),
    RGBColor(193, 178, 145),
    RGBColor(160, 143, 170),
];

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Marks {
    /// With the quartiles as whiskers.
    Bars,
    Lines,
}

pub struct Panel<'a> {
    title: &'a str,
    rows: &'a [Row],
}

impl<'a> Panel<'a> {
    pub fn new(title: &'a str, rows: &'a [Row]) -> Self {
        Self { title, rows }
    }
}

/// One panel, or several side by side, each with a scale of its own.
pub struct Chart<'a> {
    pub title: &'a str,
    pub x: &'a str,
    pub y: &'a str,
    pub marks: Marks,
    /// Contenders that would dwarf the others.
    pub left_out: &'a [&'a str],
    pub panels: Vec<Panel<'a>>,
}

/// A contender and its colour.
struct Series {
    name: &'static str,
    is_ours: bool,
    colour: RGBColor,
}

impl Chart<'_> {
    pub fn draw(&self, file: &Path) -> Outcome {
        let columns = self.panels.len().min(2);
        let lines = self.panels.len().div_ceil(2);
        let size = (WIDTH, HEAD + PANEL_HEIGHT * lines as u32);
        let root = SVGBackend::new(file, size).into_drawing_area();
        root.fill(&WHITE)?;
        let series = self.series();
        let (head, body) = root.split_vertically(HEAD);
        self.draw_head(&head, &series)?;
        for (panel, area) in self.panels.iter().zip(body.split_evenly((lines, columns))) {
            self.draw_panel(panel, &area, &series)?;
        }
        root.present()?;
        Ok(())
    }

    fn series(&self) -> Vec<Series> {
        let mut muted = PEERS.iter().cycle();
        let all = self.panels.first().map_or(Vec::new(), |p| names(p.rows));
        all.into_iter()
            .filter(|(name, _)| !self.left_out.contains(name))
            .map(|(name, role)| Series {
                name,
                is_ours: role == Role::Ours,
                colour: match role {
                    Role::Ours => OURS,
                    Role::Peer => *muted.next().unwrap_or(&ASIDE),
                    Role::Aside => ASIDE,
                },
            })
            .collect()
    }

    fn draw_head(&self, head: &Area<'_>, series: &[Series]) -> Outcome {
        let title = (FONT, 21).into_font().style(FontStyle::Bold).color(&INK);
        head.draw(&Text::new(self.title, (16, 14), title))?;
        let left_out = match self.left_out {
            [] => String::new(),
            names => format!(" Not shown, far slower or partial: {}.", names.join(", ")),
        };
        let note = format!("Medians, quartiles as whiskers; less is better.{left_out}");
        let note = match self.marks {
            Marks::Bars => note,
            Marks::Lines => note.replace(", quartiles as whiskers", ""),
        };
        head.draw(&Text::new(
            note,
            (16, 40),
            (FONT, 13).into_font().color(&INK),
        ))?;
        let mut x = 16;
        for one in series {
            let swatch = [(x, 62), (x + 12, 74)];
            head.draw(&Rectangle::new(swatch, one.colour.filled()))?;
            let style = (FONT, 14).into_font().color(&INK);
            head.draw(&Text::new(one.name, (x + 18, 61), style))?;
            x += 18 + 8 * one.name.len() as i32 + 22;
        }
        Ok(())
    }

    fn draw_panel(&self, panel: &Panel<'_>, area: &Area<'_>, series: &[Series]) -> Outcome {
        let spread = |row: usize, one: &Series| -> Option<Spread> {
            let costs = panel.rows[row].comparison.find(one.name)?;
            Some(costs.spread())
        };
        let rows = 0..panel.rows.len();
        let shown = rows.clone().flat_map(|row| {
            let spreads = series.iter().filter_map(move |one| spread(row, one));
            spreads.map(|spread| spread.upper)
        });
        let top = shown.fold(0.0, f64::max) * 1.08;
        let caption = (FONT, 15).into_font().color(&INK);
        let small = (FONT, 13).into_font().color(&INK);
        let mut builder = ChartBuilder::on(area);
        builder.margin(10).margin_right(18);
        builder.x_label_area_size(44).y_label_area_size(66);
        if !panel.title.is_empty() {
            builder.caption(panel.title, caption);
        }
        let end = panel.rows.len() as f64 - 0.5;
        let mut chart = builder.build_cartesian_2d(-0.5..end, 0.0..top)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .x_labels(0)
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID)
            .axis_style(INK)
            .y_desc(self.y)
            .y_labels(7)
            .y_label_formatter(&|nanos| format!("{nanos}"))
            .label_style(small.clone())
            .draw()?;
        let centred = small.pos(Pos::new(HPos::Center, VPos::Top));
        for row in rows.clone() {
            let (x, y) = chart.backend_coord(&(row as f64, 0.0));
            let (left, up) = area.get_base_pixel();
            let label = Text::new(
                panel.rows[row].label.as_str(),
                (x - left, y - up + 6),
                centred.clone(),
            );
            area.draw(&label)?;
        }
        let (x, y) = chart.backend_coord(&((end - 0.5) / 2.0, 0.0));
        let (left, up) = area.get_base_pixel();
        area.draw(&Text::new(self.x, (x - left, y - up + 25), centred.clone()))?;

        let above = centred.pos(Pos::new(HPos::Center, VPos::Bottom));
        let width = 0.82 / series.len() as f64;
        // Ours last, on top of the others' lines.
        let order = series.iter().enumerate().rev();
        for (place, one) in order {
            let points = rows
                .clone()
                .filter_map(|row| Some((row as f64, spread(row, one)?)));
            if self.marks == Marks::Lines {
                let style = one.colour.stroke_width(if one.is_ours { 3 } else { 2 });
                let line: Vec<_> = points.map(|(x, spread)| (x, spread.median)).collect();
                let dots = line
                    .iter()
                    .map(|at| Circle::new(*at, 4, one.colour.filled()));
                chart.draw_series(dots)?;
                chart.draw_series([PathElement::new(line.clone(), style)])?;
                continue;
            }
            for (x, spread) in points {
                let from = x - 0.41 + width * place as f64;
                let (to, middle) = (from + width * 0.92, from + width * 0.46);
                let bar = [(from, 0.0), (to, spread.median)];
                chart.draw_series([Rectangle::new(bar, one.colour.filled())])?;
                let whisker = vec![(middle, spread.lower), (middle, spread.upper)];
                chart.draw_series([PathElement::new(whisker, INK.stroke_width(1))])?;
                if one.is_ours {
                    let number = brief(spread.median);
                    let at = (middle, spread.upper + top * 0.012);
                    chart.draw_series([Text::new(number, at, above.clone())])?;
                }
            }
        }
        Ok(())
    }
}
