//! What each kernel was when: a lane for each.

use std::fmt::Write;

use super::escape;
use super::svg::{Frame, n};
use crate::cli::report::chart::{Lanes, Shade, Span};
use crate::cli::term::text::shortened;

const LANE: f64 = 18.0;
const BAR: f64 = 11.0;
/// Columns of a name.
const NAME: usize = 24;

/// Draws the lanes.
pub fn lanes(lanes: &Lanes, title: &str, says: &str) -> String {
    let flags = usize::from(!lanes.flags.is_empty());
    let height = LANE * (lanes.lanes.len() + flags) as f64 + 30.0;
    let frame = Frame { left: 170.0, ..Frame::new(1080.0, height) };
    let mut svg = frame.open(title, says);
    svg += &frame.times(&lanes.span);
    for (place, lane) in lanes.lanes.iter().enumerate() {
        let top = frame.top + LANE * place as f64;
        name(&mut svg, &frame, top, &escape::text(&shortened(&lane.name, NAME)));
        for (from, to, state) in &lane.parts {
            let (from, to) = (frame.x(&lanes.span, *from), frame.x(&lanes.span, *to));
            bar(&mut svg, &format!("s-{state}"), top, from, to, &format!("{}: {state}", escape::text(&lane.name)));
        }
        marks(&mut svg, &frame, &lanes.span, top, &lane.hangs);
    }
    if flags > 0 {
        let top = frame.top + LANE * lanes.lanes.len() as f64;
        name(&mut svg, &frame, top, "alerts, failures");
        marks(&mut svg, &frame, &lanes.span, top, &lanes.flags);
    }
    svg += &frame.shaded(&lanes.span, &lanes.shaded);
    svg + "</svg>"
}

fn name(svg: &mut String, frame: &Frame, top: f64, name: &str) {
    let _ = write!(svg, "<text class=\"lane\" x=\"{}\" y=\"{}\">{name}</text>", n(frame.left - 8.0), n(top + 10.0));
}

fn marks(svg: &mut String, frame: &Frame, span: &Span, top: f64, shades: &[Shade]) {
    for shade in shades {
        let (from, to) = (frame.x(span, shade.from), frame.x(span, shade.to));
        bar(svg, &format!("mark-{}", shade.what), top, from, to, &escape::text(&shade.says));
    }
}

fn bar(svg: &mut String, class: &str, top: f64, from: f64, to: f64, says: &str) {
    let _ = write!(
        svg,
        "<rect class=\"{class}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"><title>{says}</title></rect>",
        n(from),
        n(top + 1.0),
        n((to - from).max(2.0)),
        n(BAR)
    );
}

/// What the colours mean.
pub fn legend(lanes: &Lanes) -> String {
    let mut states: Vec<&str> = Vec::new();
    for (_, _, state) in lanes.lanes.iter().flat_map(|lane| &lane.parts) {
        if !states.contains(&state.name()) {
            states.push(state.name());
        }
    }
    let mut items: String = states.iter().map(|s| format!("<li><i class=\"s-{s}\"></i>{s}</li>")).collect();
    let mut mark = |class: &str, says: &str| items += &format!("<li><i class=\"{class}\"></i>{says}</li>");
    if lanes.lanes.iter().any(|lane| !lane.hangs.is_empty()) {
        mark("mark-hang", "hangs");
    }
    for (what, says) in [("alert", "alert fires"), ("failure", "failed")] {
        if lanes.flags.iter().any(|flag| flag.what == what) {
            mark(&format!("mark-{what}"), says);
        }
    }
    if !lanes.shaded.is_empty() {
        mark("gap", "nothing recorded");
    }
    format!("<ul class=\"legend\">{items}</ul>")
}
