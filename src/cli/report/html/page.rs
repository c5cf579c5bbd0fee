//! The page.

use std::fmt::Write;

use super::{escape, heat, lanes, lines, table};
use crate::cli::report::document::{Block, Document, Figure, Picture, Section, Tile};

const STYLE: &str = include_str!("style.css");

/// Writes the document as a page. Times have so many decimals of a second.
pub fn page(document: &Document, decimals: usize) -> String {
    let title = escape::text(&document.title);
    let mut page = String::from("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    // It could not reach anything if it tried.
    page += "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n";
    page += "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n";
    page += "<meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"referrer\" content=\"no-referrer\">\n";
    let _ = write!(page, "<title>{title} · ringscope report</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n");
    let _ = write!(page, "<header>\n<p class=\"kind\">ringscope report</p>\n<h1><bdi>{title}</bdi></h1>\n");
    page += &facts(&document.facts);
    page += &tiles(&document.tiles);
    page += "</header>\n";
    page += &contents(document);
    page += "<main>\n";
    page += &sections(&document.sections, decimals);
    page += "</main>\n<footer>\n";
    for note in &document.notes {
        let _ = writeln!(page, "<p>{}</p>", escape::text(note));
    }
    page + "</footer>\n</body>\n</html>\n"
}

fn facts(facts: &[(String, String)]) -> String {
    let fact = |(name, value): &(String, String)| {
        format!("<div><dt>{}</dt><dd>{}</dd></div>", escape::text(name), escape::name(value))
    };
    format!("<dl class=\"facts\">{}</dl>\n", facts.iter().map(fact).collect::<String>())
}

fn tiles(tiles: &[Tile]) -> String {
    let tile = |tile: &Tile| {
        let (number, says) = (escape::text(&tile.number), escape::text(&tile.says));
        format!("<li class=\"{}\"><b>{number}</b> <span>{says}</span></li>", tile.mood.name())
    };
    format!("<ul class=\"tiles\">{}</ul>\n", tiles.iter().map(tile).collect::<String>())
}

/// Links to the sections that are not those of kernels, which the table of kernels links to.
fn contents(document: &Document) -> String {
    let plain = document.sections.iter().filter(|section| !section.is_name);
    let link = |section: &Section| format!("<li><a href=\"#{}\">{}</a></li>", section.id, escape::text(&section.title));
    format!("<nav aria-label=\"Sections\"><ul>{}</ul></nav>\n", plain.map(link).collect::<String>())
}

fn sections(sections: &[Section], decimals: usize) -> String {
    sections.iter().map(|section| one_section(section, decimals)).collect()
}

fn one_section(section: &Section, decimals: usize) -> String {
    let title = if section.is_name { escape::name(&section.title) } else { escape::text(&section.title) };
    let beside = match section.beside.is_empty() {
        true => String::new(),
        false => format!(" <small>{}</small>", escape::text(&section.beside)),
    };
    let blocks: String = section.blocks.iter().map(|block| one_block(block, decimals)).collect();
    match section.is_name {
        false => format!("<section id=\"{}\">\n<h2>{title}{beside}</h2>\n{blocks}</section>\n", section.id),
        true => {
            let open = if section.folded { "" } else { " open" };
            format!(
                "<section id=\"{}\">\n<details class=\"kernel\"{open}><summary><h2>{title}{beside}</h2></summary>\n{blocks}</details>\n</section>\n",
                section.id
            )
        }
    }
}

fn one_block(block: &Block, decimals: usize) -> String {
    match block {
        Block::Prose(text) => format!("<p>{}</p>\n", escape::text(text)),
        Block::Table(one) => table::table(one, decimals) + "\n",
        Block::Figures(figures) => {
            let figures: String = figures.iter().map(|one| figure(one, decimals)).collect();
            format!("<div class=\"figures\">\n{figures}</div>\n")
        }
    }
}

fn figure(figure: &Figure, decimals: usize) -> String {
    let (title, says) = (&*figure.title, &*figure.says);
    let (picture, legend) = match &figure.picture {
        Picture::Lines(chart) => (lines::lines(chart, title, says, figure.wide), lines::legend(chart)),
        Picture::Heat(map) => (heat::heat(map, title, says), heat::legend(map)),
        Picture::Lanes(all) => (lanes::lanes(all, title, says), lanes::legend(all)),
    };
    let wide = if figure.wide { " class=\"wide\"" } else { "" };
    let picture = format!("<div class=\"scroll\" tabindex=\"0\">{picture}</div>");
    let (title, says) = (escape::text(title), escape::text(says));
    let numbers = table::table(&figure.table, decimals);
    format!(
        "<figure{wide}><figcaption><b>{title}</b> <span>{says}</span></figcaption>{legend}{picture}\n\
         <details class=\"numbers\"><summary>Numbers<span class=\"hidden\"> of {title}</span></summary>{numbers}</details></figure>\n"
    )
}
