//! YAML text → the tree of `node`, in which every key and value knows its place.
//!
//! Built from the events of saphyr's parser, because serde keeps no places. Anchors, aliases and merge keys (`<<`) are resolved here, keys that are
//! written twice are found here, and what could make a small text endless (depth, aliases of aliases) is refused here.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span, Tag};

use super::finding::{Finding, Severity, Spot};
use super::node::{Entry, Kind, Map, Node};

/// Deeper than any pipeline; keeps every later walk off the end of the stack.
const DEPTH_MAX: usize = 64;
/// Values of a file once every alias is written out: a thousand images have some tens of thousands.
const VALUES_MAX: u32 = 1_000_000;
/// A pipeline file of a hundred thousand images is smaller.
const BYTES_MAX: usize = 32 * 1024 * 1024;

/// What reading a text gave: the tree, unless the text is no YAML, and what was found on the way.
pub(super) struct Parsed {
    pub(super) root: Option<Rc<Node>>,
    pub(super) findings: Vec<Finding>,
}

/// Reads one file.
pub(super) fn parse(file: &str, text: &str) -> Parsed {
    let mut builder = Builder {
        file,
        bytes: CharIndex::of(text),
        text,
        stack: Vec::new(),
        anchors: HashMap::new(),
        root: None,
        documents: 0,
        findings: Vec::new(),
        ended: false,
    };
    let root = match builder.run() {
        Ok(()) => {
            builder.root.take().or_else(|| Some(Rc::new(Node { kind: Kind::Null, spot: Spot { line: 1, column: 1, start: 0, end: 0 }, weight: 1 })))
        }
        Err(finding) => {
            builder.findings.push(*finding);
            None
        }
    };
    Parsed { root, findings: builder.findings }
}

/// Turns the parser's character indices into bytes.
enum CharIndex {
    Ascii,
    Table(Vec<usize>),
}

impl CharIndex {
    fn of(text: &str) -> Self {
        if text.is_ascii() { Self::Ascii } else { Self::Table(text.char_indices().map(|(at, _)| at).collect()) }
    }

    fn byte(&self, index: usize, len: usize) -> usize {
        match self {
            Self::Ascii => index.min(len),
            Self::Table(table) => table.get(index).copied().unwrap_or(len),
        }
    }
}

/// A key whose value has not come yet.
struct PendingKey {
    name: String,
    spot: Spot,
    /// It stands in the map already; its value is dropped, and the first one stays.
    again: bool,
}

enum Frame {
    Map { entries: Vec<Entry>, key: Option<PendingKey>, seen: HashMap<String, u32>, spot: Spot, anchor: usize, weight: u32 },
    List { items: Vec<Rc<Node>>, spot: Spot, anchor: usize, weight: u32 },
}

struct Builder<'t> {
    file: &'t str,
    text: &'t str,
    bytes: CharIndex,
    stack: Vec<Frame>,
    anchors: HashMap<usize, Rc<Node>>,
    root: Option<Rc<Node>>,
    documents: u32,
    findings: Vec<Finding>,
    ended: bool,
}

type Refusal = Box<Finding>;

impl Builder<'_> {
    fn run(&mut self) -> Result<(), Refusal> {
        if self.text.len() > BYTES_MAX {
            return Err(self.refuse(Spot { line: 1, column: 1, ..Spot::default() }, "the file is larger than 32 MiB", "split it into several files"));
        }
        let text = self.text;
        for event in Parser::new_from_str(text) {
            match event {
                Ok((event, span)) => self.take(event, span)?,
                Err(error) => {
                    let mut spot = self.spot(*error.marker(), *error.marker());
                    // One character, so that there is something to point at.
                    spot.end += text[spot.start..].chars().next().filter(|c| !matches!(c, '\r' | '\n')).map_or(0, char::len_utf8);
                    let message = format!("this is no YAML: {}", error.info());
                    return Err(self.refuse(spot, &message, "check the indentation and the quotes of this line and the one above it"));
                }
            }
            if self.ended {
                break;
            }
        }
        Ok(())
    }

    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Refusal> {
        let spot = self.spot(span.start, span.end);
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    self.findings.push(*self.refuse(
                        spot,
                        "a second document begins here",
                        "one file holds one document: move it to a file of its own",
                    ));
                    self.ended = true;
                }
                Ok(())
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.check_tag(tag.as_ref(), spot)?;
                self.scalar(text, style, anchor, spot)
            }
            Event::Alias(anchor) => self.alias(anchor, spot),
            Event::MappingStart(anchor, tag) => {
                self.open(tag.as_ref(), spot)?;
                self.stack.push(Frame::Map { entries: Vec::new(), key: None, seen: HashMap::new(), spot, anchor, weight: 1 });
                Ok(())
            }
            Event::SequenceStart(anchor, tag) => {
                self.open(tag.as_ref(), spot)?;
                self.stack.push(Frame::List { items: Vec::new(), spot, anchor, weight: 1 });
                Ok(())
            }
            Event::MappingEnd | Event::SequenceEnd => self.close(),
            _ => Ok(()),
        }
    }

    fn check_tag(&self, tag: Option<&Cow<'_, Tag>>, spot: Spot) -> Result<(), Refusal> {
        match tag {
            Some(tag) if !tag.is_yaml_core_schema() => Err(self.refuse(
                spot,
                &format!("the tag `{tag}` is not understood"),
                "remove the tag: a folder's files are joined, none overrides another",
            )),
            _ => Ok(()),
        }
    }

    /// A map or a list begins: it may, if it is no key and not too deep.
    fn open(&self, tag: Option<&Cow<'_, Tag>>, spot: Spot) -> Result<(), Refusal> {
        self.check_tag(tag, spot)?;
        if let Some(Frame::Map { key: None, .. }) = self.stack.last() {
            let help = "a value that begins with `{{` must stand in quotes: \"{{ name }}\"";
            return Err(self.refuse(spot, "a key must be a text, but here is a map or a list", help));
        }
        if self.stack.len() >= DEPTH_MAX {
            return Err(self.refuse(spot, "the values are nested more than 64 deep", "no pipeline needs that: check the indentation"));
        }
        Ok(())
    }

    fn scalar(&mut self, text: Cow<'_, str>, style: ScalarStyle, anchor: usize, spot: Spot) -> Result<(), Refusal> {
        if let Some(Frame::Map { key: key @ None, seen, .. }) = self.stack.last_mut() {
            let name = text.into_owned();
            let first = if name == "<<" { None } else { seen.get(&name).copied() };
            if first.is_none() {
                seen.insert(name.clone(), spot.line);
            }
            *key = Some(PendingKey { name: name.clone(), spot, again: first.is_some() });
            if let Some(first) = first {
                let message = format!("the key `{name}` is written twice in one map");
                let finding = self.refuse(spot, &message, &format!("it stands first in line {first}: keep one of them"));
                self.findings.push(*finding);
            }
            return Ok(());
        }
        let is_null = style == ScalarStyle::Plain && matches!(&*text, "" | "~" | "null" | "Null" | "NULL");
        let kind = if is_null { Kind::Null } else { Kind::Scalar(text.into_owned()) };
        self.put(Rc::new(Node { kind, spot, weight: 1 }), anchor)
    }

    fn alias(&mut self, anchor: usize, spot: Spot) -> Result<(), Refusal> {
        if let Some(Frame::Map { key: None, .. }) = self.stack.last() {
            return Err(self.refuse(spot, "a key must be a text, but here is an alias", "write the key out"));
        }
        match self.anchors.get(&anchor).cloned() {
            Some(node) => self.put(node, 0),
            None => Err(self.refuse(spot, "this alias stands inside of its own anchor", "write the value out where it is used")),
        }
    }

    fn close(&mut self) -> Result<(), Refusal> {
        match self.stack.pop() {
            Some(Frame::Map { entries, spot, anchor, weight, .. }) => {
                let entries = self.merged(entries);
                self.put(Rc::new(Node { kind: Kind::Map(Map::of(entries)), spot, weight }), anchor)
            }
            Some(Frame::List { items, spot, anchor, weight }) => self.put(Rc::new(Node { kind: Kind::List(items), spot, weight }), anchor),
            None => Ok(()),
        }
    }

    /// Adds what `<<` brings: written keys win over merged ones, earlier merges over later ones.
    fn merged(&mut self, entries: Vec<Entry>) -> Vec<Entry> {
        if !entries.iter().any(|entry| entry.key == "<<") {
            return entries;
        }
        let (merges, mut kept): (Vec<Entry>, Vec<Entry>) = entries.into_iter().partition(|entry| entry.key == "<<");
        let mut have: HashSet<String> = kept.iter().map(|entry| entry.key.clone()).collect();
        for merge in merges {
            let sources = match &merge.value.kind {
                Kind::List(items) => items.clone(),
                _ => vec![Rc::clone(&merge.value)],
            };
            for source in sources {
                let Kind::Map(additions) = &source.kind else {
                    let finding = self.refuse(merge.spot, "`<<` merges a map, or a list of maps", "give it an alias of a map: `<<: *common`");
                    self.findings.push(*finding);
                    continue;
                };
                for entry in &additions.entries {
                    if have.insert(entry.key.clone()) {
                        kept.push(entry.clone());
                    }
                }
            }
        }
        kept
    }

    /// Gives a finished value to what it belongs to.
    fn put(&mut self, node: Rc<Node>, anchor: usize) -> Result<(), Refusal> {
        if anchor > 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        let total = match self.stack.last_mut() {
            None => {
                self.root = Some(node);
                return Ok(());
            }
            Some(Frame::List { items, weight, .. }) => {
                *weight = weight.saturating_add(node.weight);
                items.push(Rc::clone(&node));
                *weight
            }
            Some(Frame::Map { entries, key, weight, .. }) => {
                *weight = weight.saturating_add(node.weight);
                if let Some(PendingKey { name, spot, again: false }) = key.take() {
                    entries.push(Entry { key: name, spot, value: Rc::clone(&node) });
                }
                *weight
            }
        };
        if total > VALUES_MAX {
            return Err(self.refuse(
                node.spot,
                "with its aliases written out this file has more than a million values",
                "use fewer aliases of aliases",
            ));
        }
        Ok(())
    }

    fn spot(&self, start: Marker, end: Marker) -> Spot {
        let len = self.text.len();
        let from = self.bytes.byte(start.index(), len);
        let mut to = self.bytes.byte(end.index(), len).max(from);
        // Only the first line is pointed at; a block scalar's end lies in the next value.
        if let Some(newline) = self.text.get(from..to).and_then(|inside| inside.find(['\n', '\r'])) {
            to = from + newline;
        }
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Spot { line: number(start.line()).max(1), column: number(start.col() + 1), start: from, end: to }
    }

    fn refuse(&self, spot: Spot, message: &str, help: &str) -> Refusal {
        let mut key = String::new();
        for frame in &self.stack {
            match frame {
                Frame::Map { key: Some(PendingKey { name, .. }), .. } if key.is_empty() => key.push_str(name),
                Frame::Map { key: Some(PendingKey { name, .. }), .. } => {
                    key.push('.');
                    key.push_str(name);
                }
                Frame::Map { .. } => {}
                Frame::List { items, .. } => key.push_str(&format!("[{}]", items.len())),
            }
        }
        Box::new(Finding {
            severity: Severity::Error,
            file: self.file.to_owned(),
            line: spot.line,
            column: spot.column,
            key,
            message: message.to_owned(),
            help: Some(help.to_owned()),
            span: spot.start..spot.end,
        })
    }
}
