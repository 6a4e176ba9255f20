//! The chart: sakia and its best peer in each mode, over the floor.

use std::path::Path;

use plotters::prelude::*;

use super::outcome::Outcome;

const WIDTH: u32 = 900;
const ROW: u32 = 26;
const NAMES: u32 = 150;
const AROUND: u32 = 60;
const SAKIA: RGBColor = RGBColor(31, 119, 180);
const PEER: RGBColor = RGBColor(200, 200, 200);

struct Bars {
    name: &'static str,
    sakia: f64,
    peer: Option<f64>,
}

/// Draws the modes that have a floor to stand on.
pub fn draw(path: &Path, outcomes: &[Outcome]) -> Result<(), String> {
    let bars: Vec<Bars> = outcomes
        .iter()
        .filter_map(|outcome| {
            let (sakia, peer) = outcome.over_the_floor()?;
            let name = outcome.mode.name;
            Some(Bars { name, sakia, peer })
        })
        .collect();
    if bars.is_empty() {
        return Ok(());
    }
    draw_bars(path, &bars).map_err(|error| format!("no chart: {error}"))
}

fn draw_bars(path: &Path, bars: &[Bars]) -> Result<(), Box<dyn std::error::Error>> {
    let rows = bars.len() as u32;
    let root = SVGBackend::new(path, (WIDTH, rows * ROW + 2 * AROUND)).into_drawing_area();
    root.fill(&WHITE)?;
    let costs = bars
        .iter()
        .flat_map(|bar| [Some(bar.sakia), bar.peer])
        .flatten();
    let (least, most) = costs.fold((1.0_f64, 1.0_f64), |(least, most), cost| {
        (least.min(cost), most.max(cost))
    });
    let (left, right) = (least * 0.8, most * 1.25);
    let title = "Cost over the floor, which is the line at 1 (less is better): sakia in blue, its best peer in grey";
    let mut chart = ChartBuilder::on(&root)
        .caption(title, ("sans-serif", 16))
        .margin(10)
        .set_label_area_size(LabelAreaPosition::Left, NAMES)
        .set_label_area_size(LabelAreaPosition::Bottom, 30)
        .build_cartesian_2d((left..right).log_scale(), 0.0..f64::from(rows))?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .y_labels(0)
        .x_label_formatter(&|x| format!("{x:.1}"))
        .draw()?;
    for (at, bar) in bars.iter().enumerate() {
        // The first is at the top.
        let top = f64::from(rows) - at as f64;
        let (middle, bottom) = (top - 0.5, top - 0.9);
        let row = |cost: f64, high: f64, low: f64, colour: RGBColor| {
            Rectangle::new([(1.0, high), (cost, low)], colour.filled())
        };
        chart.draw_series([row(bar.sakia, top - 0.1, middle, SAKIA)])?;
        chart.draw_series(bar.peer.map(|peer| row(peer, middle, bottom, PEER)))?;
        let (_, y) = chart.backend_coord(&(left, middle));
        let name = Text::new(bar.name, (10, y - 7), ("sans-serif", 13));
        root.draw(&name)?;
    }
    let floor = [(1.0, 0.0), (1.0, f64::from(rows))];
    chart.draw_series([PathElement::new(floor, BLACK)])?;
    root.present()?;
    Ok(())
}
