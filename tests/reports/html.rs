//! Pages, read by parsers that somebody else wrote: Python's html.parser, and expat for the pictures.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::Value;

/// Reads a page: whether its tags match, its tables as text, the attributes that could reach something, its pictures.
const READER: &str = r#"
import html.parser, json, re, sys, xml.dom.minidom
page = sys.stdin.buffer.read().decode("utf-8")
VOID = {"meta", "br", "hr", "img", "input", "link"}
SVG_LEAF = {"path", "rect"}
class Reader(html.parser.HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open, self.wrong, self.tables, self.reach, self.tags, self.text, self.ids = [], [], [], [], {}, [], []
    def handle_starttag(self, tag, attrs):
        self.tags[tag] = self.tags.get(tag, 0) + 1
        for name, value in attrs:
            if name in ("href", "src", "action", "xlink:href", "data", "srcset") or name.startswith("on"):
                self.reach.append(f"{name}={value}")
            if name == "style": self.reach.append(f"style={value}")
            if name == "id": self.ids.append(value)
        if tag in VOID: return
        self.open.append(tag)
        if tag == "table": self.tables.append([])
        if tag == "tr": self.tables[-1].append([])
        if tag in ("td", "th"): self.tables[-1][-1].append("")
    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID: self.handle_endtag(tag)
    def handle_endtag(self, tag):
        if not self.open or self.open[-1] != tag: self.wrong.append(f"</{tag}> in {self.open[-4:]}")
        if tag in self.open:
            while self.open.pop() != tag: pass
    def handle_data(self, data):
        if any(tag in ("td", "th") for tag in self.open) and "table" in self.open:
            self.tables[-1][-1][-1] += data
        if "style" not in self.open: self.text.append(data)
reader = Reader()
reader.feed(page)
reader.close()
svgs = re.findall(r"<svg.*?</svg>", page, re.S)
for svg in svgs: xml.dom.minidom.parseString(svg)
style = re.search(r"<style>(.*?)</style>", page, re.S).group(1)
print(json.dumps({
    "wrong": reader.wrong + [f"<{tag}> is open" for tag in reader.open], "tables": reader.tables, "reach": reader.reach,
    "tags": reader.tags, "pictures": len(svgs), "text": "".join(reader.text), "style": style, "ids": reader.ids,
}))
"#;

/// What such a reader finds in the page.
pub fn read(page: &str) -> Value {
    let mut python = Command::new("python3");
    let mut child = python.args(["-c", READER]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python3");
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(page.as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "the page is read");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Asserts that the page is well-formed and reaches nothing outside of it.
pub fn is_sound(page: &str) -> Value {
    let read = read(page);
    assert_eq!(read["wrong"], serde_json::json!([]), "{page}");
    for script in ["script", "img", "link", "iframe", "object", "embed", "form", "base", "image", "use"] {
        assert!(read["tags"].get(script).is_none(), "a <{script}>");
    }
    let ids: Vec<&str> = read["ids"].as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
    for reach in read["reach"].as_array().unwrap() {
        let to = reach.as_str().unwrap().strip_prefix("href=#");
        assert!(to.is_some_and(|to| ids.contains(&to)), "{reach} is not a link within the page");
    }
    let style = read["style"].as_str().unwrap();
    assert!(!style.contains("url(") && !style.contains("@import"), "{style}");
    read
}

/// The table that has a column of that title.
pub fn table(read: &Value, title: &str) -> Vec<Vec<String>> {
    let text = |cell: &Value| cell.as_str().unwrap().to_owned();
    let rows = |table: &Value| -> Vec<Vec<String>> {
        let rows = table.as_array().unwrap().iter();
        rows.map(|row| row.as_array().unwrap().iter().map(text).collect()).collect()
    };
    let tables = read["tables"].as_array().unwrap().iter().map(rows);
    let found = tables.into_iter().find(|table| table[0].iter().any(|known| known == title));
    found.unwrap_or_else(|| panic!("no table has a column {title}"))
}

/// The cell of a row, by the row's name and the column's title.
pub fn cell(table: &[Vec<String>], row: &str, title: &str) -> String {
    let column = table[0].iter().position(|known| known == title).unwrap_or_else(|| panic!("no column {title}"));
    let row = table.iter().find(|one| one[0] == row).unwrap_or_else(|| panic!("no row {row} in {table:?}"));
    row[column].clone()
}
