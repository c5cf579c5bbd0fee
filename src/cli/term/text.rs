//! Styled lines: escaping what a terminal would not show, measuring in columns, shortening, wrapping, painting.
//!
//! A line is a [`Text`], spans with a meaning each; only [`Text::render`] turns meaning into colour.

use unicode_width::UnicodeWidthChar;

/// What a span means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Nothing special.
    Plain,
    /// A title, a name.
    Bold,
    /// Beside the point.
    Dim,
    /// As it should be.
    Good,
    /// Worth a look.
    Warn,
    /// Wrong.
    Bad,
}

/// Whether styles become colours.
#[derive(Clone, Copy, Debug)]
pub struct Paint {
    /// They do.
    pub on: bool,
}

impl Paint {
    fn apply(self, style: Style, text: &str) -> String {
        let code = match style {
            Style::Plain => return text.to_owned(),
            Style::Bold => "1",
            Style::Dim => "2",
            Style::Good => "32",
            Style::Warn => "33",
            Style::Bad => "31",
        };
        if self.on && !text.is_empty() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// A piece of a line: a style, and text that a terminal shows as it is.
#[derive(Clone, Debug, PartialEq)]
pub struct StyledText {
    style: Style,
    text: String,
}

/// Makes a span; what a terminal would not show as it is is [`escaped`].
pub fn styled(style: Style, text: &str) -> StyledText {
    StyledText { style, text: escaped(text) }
}

/// Makes a span without a style.
pub fn plain(text: &str) -> StyledText {
    styled(Style::Plain, text)
}

impl StyledText {
    /// Columns that it takes.
    pub fn width(&self) -> usize {
        columns(&self.text)
    }

    /// The same in at most `width` columns: an ellipsis stands for its middle.
    pub fn shortened(&self, width: usize) -> StyledText {
        StyledText { style: self.style, text: shortened(&self.text, width) }
    }
}

/// One line.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Text(Vec<StyledText>);

impl From<Vec<StyledText>> for Text {
    fn from(spans: Vec<StyledText>) -> Text {
        Text(spans)
    }
}

impl Text {
    /// This line, and `more` after it.
    pub fn with(mut self, more: Text) -> Text {
        self.0.extend(more.0);
        self
    }

    /// Columns that it takes.
    pub fn width(&self) -> usize {
        self.0.iter().map(StyledText::width).sum()
    }

    /// The line in at most `width` columns; an ellipsis stands for what is cut off.
    pub fn render(&self, width: usize, paint: Paint) -> String {
        let cut = self.width() > width;
        let mut left = if cut { width.saturating_sub(1) } else { width };
        let mut line = String::new();
        for span in &self.0 {
            let kept = &span.text[..fitting(&span.text, left)];
            left -= columns(kept);
            line.push_str(&paint.apply(span.style, kept));
            if kept.len() < span.text.len() {
                break;
            }
        }
        if cut && width > 0 {
            line.push('…');
        }
        line
    }

    /// The line in lines of at most `width` columns, broken at spaces, and inside a word that is longer than a line.
    /// All but the first begin with `indent` spaces, where half of the width is left.
    pub fn wrapped(&self, width: usize, indent: usize) -> Vec<Text> {
        let indent = if indent * 2 <= width { indent } else { 0 };
        let cells: Vec<(Style, char)> =
            self.0.iter().flat_map(|span| span.text.chars().map(|c| (span.style, c))).collect();
        let (mut lines, mut rest) = (Vec::new(), &cells[..]);
        loop {
            let before = if lines.is_empty() { 0 } else { indent };
            let (line, next) = first_line(rest, width - before);
            lines.push(Text::from_cells(before, line));
            if next.is_empty() {
                return lines;
            }
            rest = next;
        }
    }

    fn from_cells(indent: usize, cells: &[(Style, char)]) -> Text {
        let mut spans = vec![plain(&" ".repeat(indent))];
        for run in cells.chunk_by(|a, b| a.0 == b.0) {
            spans.push(StyledText { style: run[0].0, text: run.iter().map(|(_, c)| c).collect() });
        }
        Text(spans)
    }
}

type Cells<'a> = &'a [(Style, char)];

/// What of `cells` goes into a line of `width` columns, at least a character; and the rest.
fn first_line(cells: Cells<'_>, width: usize) -> (Cells<'_>, Cells<'_>) {
    let mut taken = 0;
    let fits = |(_, c): &&(Style, char)| {
        taken += c.width().unwrap_or(0);
        taken <= width
    };
    let fit = cells.iter().take_while(fits).count().max(1);
    if fit >= cells.len() {
        return (cells, &[]);
    }
    let is_space = |cell: &(Style, char)| cell.1 == ' ';
    let words_begin = cells.iter().position(|cell| !is_space(cell)).unwrap_or(0);
    let spaces = || (words_begin..=fit).rev().filter(|at| is_space(&cells[*at]));
    let space = spaces().find(|at| !splits_unit(cells, *at)).or_else(|| spaces().next());
    let end = space.unwrap_or(fit);
    let next = cells[end..].iter().position(|cell| !is_space(cell)).map_or(cells.len(), |spaces| end + spaces);
    let trimmed = cells[..end].iter().rposition(|cell| !is_space(cell)).map_or(0, |last| last + 1);
    (&cells[..trimmed], &cells[next..])
}

/// Whether the space at `at` stands between a number and a short word, its unit.
fn splits_unit(cells: Cells<'_>, at: usize) -> bool {
    const UNIT: usize = 4;
    let word = cells[at + 1..].iter().take_while(|cell| cell.1 != ' ').count();
    cells[at - 1].1.is_ascii_digit() && word <= UNIT
}

/// Wraps text for a person, which may be of several lines, to lines of at most `width` columns.
pub fn paragraphs(text: &str, width: usize) -> Vec<Text> {
    let lines = text.trim_end().split('\n').map(|line| Text::from(vec![plain(&line.replace('\t', "    "))]));
    lines.flat_map(|line| line.wrapped(width, 0)).collect()
}

/// Columns that `text` takes, counting each character for itself, as terminals do that join none.
pub fn columns(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or(0)).sum()
}

/// Bytes of `text` that fit into `width` columns.
fn fitting(text: &str, width: usize) -> usize {
    let mut taken = 0;
    let over = text.char_indices().find(|(_, c)| {
        taken += c.width().unwrap_or(0);
        taken > width
    });
    over.map_or(text.len(), |(at, _)| at)
}

/// `text` in at most `width` columns. An ellipsis stands for its middle: names often differ at their ends.
pub fn shortened(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    let Some(room) = width.checked_sub(1) else { return String::new() };
    let head = &text[..fitting(text, room.div_ceil(2))];
    let mut left = room - columns(head);
    let fits = |(_, c): &(usize, char)| {
        let rest = left.checked_sub(c.width().unwrap_or(0));
        left = rest.unwrap_or(left);
        rest.is_some()
    };
    let tail = text.char_indices().rev().take_while(fits).last().map_or(text.len(), |(at, _)| at);
    format!("{head}…{}", &text[tail..])
}

/// A name as a terminal can show it: what it would hide, or obey, is written out, as in `\n` and `\u{202e}`.
pub fn escaped(name: &str) -> String {
    // Some writing sets as many marks on one letter; more of them are there to cover other lines.
    const MOST_MARKS: usize = 3;
    let mut shown = String::with_capacity(name.len());
    let mut room = 0_usize;
    for c in name.chars() {
        let is_mark = c.width() == Some(0);
        let as_it_is = is_printable(c) && (!is_mark || room > 0);
        room = match is_mark {
            true => room.saturating_sub(1),
            false if as_it_is && c != ' ' => MOST_MARKS,
            false => 0,
        };
        match as_it_is {
            true => shown.push(c),
            false => shown.extend(c.escape_default()),
        }
    }
    shown
}

/// Whether it is a letter, a sign, a mark on one, or a space: not a control or format character, and assigned.
fn is_printable(c: char) -> bool {
    // Marks and letters that nobody sees.
    let invisible = matches!(c, '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{ffa0}' | '\u{e0100}'..='\u{e01ef}');
    // What Debug shows as it is: marks only after a letter.
    let debugged = || String::from_iter(['a', c]).escape_debug().nth(1) == Some(c);
    !invisible && (matches!(c, '\'' | '"' | '\u{3000}') || debugged())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFF: Paint = Paint { on: false };

    fn lines(text: &[StyledText], width: usize, indent: usize) -> Vec<String> {
        Text::from(text.to_vec()).wrapped(width, indent).iter().map(|line| line.render(usize::MAX, OFF)).collect()
    }

    #[test]
    fn what_a_terminal_would_hide_or_obey_is_written_out() {
        for (name, shown) in [
            ("plain name.txt", "plain name.txt"),
            ("it's \"quoted\" \\", "it's \"quoted\" \\"),
            ("a\nb\tc\x1b[31m\x7f\u{9b}", "a\\nb\\tc\\u{1b}[31m\\u{7f}\\u{9b}"),
            ("a\u{202e}b\u{2066}c\u{200f}", "a\\u{202e}b\\u{2066}c\\u{200f}"),
            ("a\u{200b}b\u{200d}c\u{feff}d\u{ad}e\u{2060}", "a\\u{200b}b\\u{200d}c\\u{feff}d\\u{ad}e\\u{2060}"),
            ("\u{fe0f}\u{34f}\u{e0101}\u{115f}", "\\u{fe0f}\\u{34f}\\u{e0101}\\u{115f}"),
            ("\u{2028}\u{2029}", "\\u{2028}\\u{2029}"),
            // Letters with marks are letters; a mark on nothing, or too many of them, are not.
            ("\u{e17}\u{e35}\u{e48} e\u{301} 設定.bin", "\u{e17}\u{e35}\u{e48} e\u{301} 設定.bin"),
            ("\u{301}a", "\\u{301}a"),
            (" \u{301}", " \\u{301}"),
            ("a\u{301}\u{301}\u{301}\u{301}b", "a\u{301}\u{301}\u{301}\\u{301}b"),
        ] {
            assert_eq!(escaped(name), shown, "{name:?}");
        }
        assert_eq!(plain("a\r").width(), 3);
    }

    #[test]
    fn names_are_shortened_in_their_middle_by_columns() {
        assert_eq!(shortened("worker_0", 8), "worker_0");
        assert_eq!(shortened("long_kernel_name_7", 9), "long…me_7");
        assert_eq!(shortened("long_kernel_name_7", 2), "l…");
        assert_eq!((shortened("long", 1).as_str(), shortened("long", 0).as_str()), ("…", ""));
        for width in 0..12 {
            let short = shortened("設定設定設定", width);
            assert!(columns(&short) <= width, "{width}: {short}");
        }
        assert_eq!(shortened("設定設定設定", 7), "設…設定");
    }

    #[test]
    fn lines_are_cut_and_wrapped_by_columns() {
        let line = Text::from(vec![styled(Style::Bad, "error: "), plain("設定設定")]);
        assert_eq!((line.width(), line.render(15, OFF).as_str()), (15, "error: 設定設定"));
        assert_eq!(line.render(12, OFF), "error: 設定…");
        assert_eq!(line.render(13, Paint { on: true }), "\x1b[31merror: \x1b[0m設定…");
        assert_eq!((line.render(1, OFF).as_str(), line.render(0, OFF).as_str()), ("…", ""));
    }

    #[test]
    fn words_wrap_and_long_ones_break() {
        assert_eq!(lines(&[plain("one two three")], 7, 0), ["one two", "three"]);
        assert_eq!(lines(&[plain("one two three")], 7, 2), ["one two", "  three"]);
        assert_eq!(lines(&[plain("  one two")], 5, 2), ["  one", "  two"]);
        assert_eq!(lines(&[plain("ab /usr/share/long")], 8, 0), ["ab", "/usr/sha", "re/long"]);
        assert_eq!(lines(&[plain("設定設定")], 5, 0), ["設定", "設定"]);
        assert_eq!(lines(&[plain("設定")], 1, 0), ["設", "定"]);
        assert_eq!(lines(&[plain("a b")], usize::MAX, 2), ["a b"]);
        assert_eq!(lines(&[plain("within 12.4 µs each")], 12, 0), ["within", "12.4 µs each"]);
        assert_eq!(lines(&[plain("12 s")], 3, 0), ["12", "s"]);
        assert_eq!(lines(&[plain("")], 0, 2), [""]);
        assert_eq!(lines(&[plain("a   ")], 2, 0), ["a"]);
        let text = paragraphs("first line\n\tsecond third\n", 10);
        let text: Vec<String> = text.iter().map(|line| line.render(usize::MAX, OFF)).collect();
        assert_eq!(text, ["first line", "    second", "third"]);
    }

    #[test]
    fn styles_survive_a_break() {
        let wrapped = Text::from(vec![styled(Style::Good, "ab cd"), plain(" ef")]).wrapped(4, 0);
        let on = Paint { on: true };
        let wrapped: Vec<String> = wrapped.iter().map(|line| line.render(9, on)).collect();
        assert_eq!(wrapped, ["\x1b[32mab\x1b[0m", "\x1b[32mcd\x1b[0m", "ef"]);
    }
}
