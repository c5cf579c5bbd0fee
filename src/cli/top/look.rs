//! What the terminal can show, as the environment tells it.

use crate::cli::top::view::theme::{Depth, Theme};

/// Returns how things look on this terminal.
pub fn theme() -> Theme {
    let get = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    theme_of(&get)
}

fn theme_of(get: &dyn Fn(&str) -> Option<String>) -> Theme {
    let has = |name, parts: &[&str]| get(name).is_some_and(|value| parts.iter().any(|part| value.contains(part)));
    let depth = match () {
        () if get("NO_COLOR").is_some() => Depth::None,
        () if has("COLORTERM", &["truecolor", "24bit"]) => Depth::True,
        () if has("TERM", &["-direct"]) => Depth::True,
        () if has("TERM", &["256color", "kitty", "alacritty", "ghostty", "foot"]) => Depth::Many,
        () if has("TERM", &["vt100", "vt102", "vt220", "-m"]) => Depth::None,
        () => Depth::Sixteen,
    };
    // The first of these that is set counts.
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(get).unwrap_or_default();
    let unicode =
        ["UTF-8", "UTF8", "utf-8", "utf8"].iter().any(|name| locale.contains(name)) && !has("TERM", &["linux"]);
    Theme { depth, unicode }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(vars: &[(&str, &str)]) -> (Depth, bool) {
        let get = |name: &str| vars.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        let theme = theme_of(&get);
        (theme.depth, theme.unicode)
    }

    #[test]
    fn the_environment_says_what_a_terminal_can_show() {
        assert_eq!(look(&[("TERM", "xterm"), ("LANG", "de_DE.UTF-8")]), (Depth::Sixteen, true));
        assert_eq!(look(&[("TERM", "xterm-256color"), ("LC_ALL", "C")]), (Depth::Many, false));
        assert_eq!(look(&[("TERM", "xterm-256color"), ("LC_ALL", "C"), ("LANG", "C.utf8")]), (Depth::Many, false));
        assert_eq!(
            look(&[("TERM", "xterm"), ("COLORTERM", "truecolor"), ("LC_CTYPE", "C.UTF-8")]),
            (Depth::True, true)
        );
        assert_eq!(look(&[("NO_COLOR", "1"), ("COLORTERM", "truecolor")]), (Depth::None, false));
        assert_eq!(look(&[("TERM", "linux"), ("LANG", "C.UTF-8")]), (Depth::Sixteen, false));
        assert_eq!(look(&[("TERM", "vt100")]).0, Depth::None);
    }
}
