//! The chart: what sakia and its best peer cost in each mode, over the floor.

use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::outcome::Outcome;

const WIDTH: i32 = 900;
/// Where the names of modes end, and the bars.
const LEFT: i32 = 190;
const RIGHT: i32 = WIDTH - 150;
/// The title, and what stands below the last row.
const ABOVE: i32 = 74;
const BELOW: i32 = 30;
const ROW: i32 = 26;
const BAR: i32 = 10;

const SAKIA: RGBColor = RGBColor(31, 119, 180);
const PEER: RGBColor = RGBColor(190, 190, 190);
const TEXT: RGBColor = RGBColor(40, 40, 40);
const GRID: RGBColor = RGBColor(225, 225, 225);

/// Where lines may stand.
const TICKS: &[f64] = &[
    0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0,
];

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), Box<dyn std::error::Error>>;

#[derive(Debug, PartialEq)]
struct Bars {
    group: &'static str,
    name: &'static str,
    sakia: f64,
    peer: Option<(&'static str, f64)>,
}

/// Draws the modes that have a floor to stand on, and below the title where the figures are from.
pub fn draw(path: &Path, source: &str, outcomes: &[Outcome]) -> Result<(), String> {
    let bars = sorted(outcomes);
    if bars.is_empty() {
        return Ok(());
    }
    draw_bars(path, source, &bars).map_err(|error| format!("no chart: {error}"))
}

/// The groups in their order; in a group the nearest to the floor comes first.
fn sorted(outcomes: &[Outcome]) -> Vec<Bars> {
    let bars = outcomes.iter().filter_map(|outcome| {
        let (sakia, peer) = outcome.over_the_floor()?;
        Some(Bars {
            group: outcome.mode.group,
            name: outcome.mode.name,
            sakia,
            peer,
        })
    });
    let mut bars: Vec<Bars> = bars.collect();
    let mut groups: Vec<&str> = Vec::new();
    for bar in &bars {
        if !groups.contains(&bar.group) {
            groups.push(bar.group);
        }
    }
    let place = |bar: &Bars| groups.iter().position(|group| *group == bar.group);
    bars.sort_by(|a, b| (place(a).cmp(&place(b))).then(a.sakia.total_cmp(&b.sakia)));
    bars
}

/// From a cost to its place, by its logarithm: twice as much and half as much are equally far from the floor.
struct Scale {
    least: f64,
    most: f64,
}

impl Scale {
    fn of(bars: &[Bars]) -> Self {
        let peers = bars.iter().filter_map(|bar| bar.peer).map(|(_, cost)| cost);
        let costs = bars.iter().map(|bar| bar.sakia).chain(peers);
        let (least, most) = costs.fold((1.0_f64, 1.0_f64), |(least, most), cost| {
            (least.min(cost), most.max(cost))
        });
        Self {
            least: least * 0.9,
            most: most * 1.1,
        }
    }

    fn x(&self, cost: f64) -> i32 {
        let part = (cost / self.least).ln() / (self.most / self.least).ln();
        LEFT + (part * f64::from(RIGHT - LEFT)) as i32
    }
}

fn draw_bars(path: &Path, source: &str, bars: &[Bars]) -> Drawn {
    let groups = bars.chunk_by(|a, b| a.group == b.group);
    let rows = bars.len() + groups.clone().count();
    let bottom = ABOVE + rows as i32 * ROW;
    let size = (WIDTH as u32, (bottom + BELOW) as u32);
    let area = SVGBackend::new(path, size).into_drawing_area();
    area.fill(&WHITE)?;
    let scale = Scale::of(bars);
    head(&area, source)?;
    grid(&area, &scale, bottom)?;
    let mut y = ABOVE;
    for group in groups {
        text(&area, group[0].group, (12, y + ROW / 2), 15, HPos::Left)?;
        y += ROW;
        for bar in group {
            row(&area, &scale, bar, y)?;
            y += ROW;
        }
    }
    area.present()?;
    Ok(())
}

fn head(area: &Area<'_>, source: &str) -> Drawn {
    let title = "What it costs, in multiples of the floor (the line at 1): less is better";
    text(area, title, (12, 18), 17, HPos::Left)?;
    text(area, source, (12, 38), 12, HPos::Left)?;
    for (x, colour, name) in [(12, SAKIA, "sakia"), (90, PEER, "its best peer")] {
        area.draw(&Rectangle::new([(x, 52), (x + 14, 63)], colour.filled()))?;
        text(area, name, (x + 20, 58), 12, HPos::Left)?;
    }
    Ok(())
}

fn grid(area: &Area<'_>, scale: &Scale, bottom: i32) -> Drawn {
    for tick in TICKS {
        let x = scale.x(*tick);
        if !(LEFT..=RIGHT).contains(&x) {
            continue;
        }
        let colour = if *tick == 1.0 { TEXT } else { GRID };
        area.draw(&PathElement::new([(x, ABOVE), (x, bottom)], colour))?;
        text(area, &tick.to_string(), (x, bottom + 14), 12, HPos::Center)?;
    }
    Ok(())
}

fn row(area: &Area<'_>, scale: &Scale, bar: &Bars, y: i32) -> Drawn {
    text(area, bar.name, (LEFT - 12, y + ROW / 2), 13, HPos::Right)?;
    let one = |cost: f64, y: i32, colour: RGBColor, name: &str| -> Drawn {
        let (floor, end) = (scale.x(1.0), scale.x(cost));
        let corners = [(floor.min(end), y), (floor.max(end), y + BAR)];
        area.draw(&Rectangle::new(corners, colour.filled()))?;
        let label = format!("{cost:.2}{name}");
        let beside = (floor.max(end) + 5, y + BAR / 2);
        text(area, &label, beside, 11, HPos::Left)
    };
    one(bar.sakia, y + 3, SAKIA, "")?;
    if let Some((name, cost)) = bar.peer {
        one(cost, y + 3 + BAR, PEER, &format!(" {name}"))?;
    }
    Ok(())
}

fn text(area: &Area<'_>, text: &str, at: (i32, i32), size: u32, side: HPos) -> Drawn {
    let style = ("sans-serif", size).into_font().color(&TEXT);
    let style = style.pos(Pos::new(side, VPos::Center));
    area.draw(&Text::new(text.to_owned(), at, style))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::outcome::tests::outcome;
    use super::*;

    #[test]
    fn groups_keep_their_order_and_the_nearest_to_the_floor_comes_first() {
        let of = |mode, sakia| outcome(mode, &[("sakia", sakia), ("mini", 1.0), ("smol", 2.0)]);
        let all = [
            of("spawn-1", 1.2),
            of("sleeps-few", 1.0),
            of("yield-1", 0.5),
        ];
        let names: Vec<_> = sorted(&all).iter().map(|bar| bar.name).collect();
        assert_eq!(names, ["yield-1", "spawn-1", "sleeps-few"]);
        assert_eq!(sorted(&all)[0].peer, Some(("smol", 2.0)));
    }

    #[test]
    fn half_and_twice_are_equally_far_from_the_floor() {
        let scale = Scale {
            least: 0.1,
            most: 10.0,
        };
        let [half, floor, twice] = [0.5, 1.0, 2.0].map(|cost| scale.x(cost));
        assert!((floor - half).abs_diff(twice - floor) <= 1);
        assert_eq!((scale.x(0.1), scale.x(10.0)), (LEFT, RIGHT));
    }
}
