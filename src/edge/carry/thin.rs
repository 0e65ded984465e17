//! Leaves layers out of an image's archive while it streams past: those that the receiving engine has already.
//!
//! Engines from 25 on name a layer's file by its digest. Older ones name its folder by a hash that the folder's own `json` lets us
//! prove: it covers the layer's chain id. What cannot be proven is sent, so a mistake here costs bytes and never content.

use std::collections::BTreeSet;

use crate::model::Digest;

const BLOCK: usize = 512;
/// A layer's `json` is about a kilobyte; a larger one is passed on unread.
const JSON_BYTES_MAX: usize = 1 << 20;

/// The filter: give it the archive piece by piece.
pub(super) struct Thin {
    /// Digests of layers to leave out.
    layers: BTreeSet<String>,
    /// Chain ids of the same layers.
    chains: BTreeSet<Digest>,
    /// Folders of the old format that were proven to hold one of them.
    folders: BTreeSet<String>,
    header: Vec<u8>,
    body: Body,
    /// Something in the archive is not understood: pass on all that follows.
    untouched: bool,
    /// Layers left out so far.
    pub(super) left_out: u32,
}

/// The rest of the entry under way.
struct Body {
    left: usize,
    keep: bool,
    /// The `json` being read, with its folder and what is still to come of it without padding.
    json: Option<(String, Vec<u8>, usize)>,
}

impl Thin {
    /// `known` are the layers that the receiver has, each with its chain id.
    pub(super) fn new(known: impl Iterator<Item = (Digest, Digest)>) -> Self {
        let (layers, chains) = known.map(|(layer, chain)| (layer.hex(), chain)).unzip();
        let body = Body { left: 0, keep: true, json: None };
        Self { layers, chains, folders: BTreeSet::new(), header: Vec::with_capacity(BLOCK), body, untouched: false, left_out: 0 }
    }

    /// Takes a piece and appends to `out` what is to be sent of it.
    pub(super) fn push(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) {
        while !bytes.is_empty() {
            if self.untouched && self.body.left == 0 && self.header.is_empty() {
                out.extend_from_slice(bytes);
                return;
            }
            bytes = if self.body.left > 0 { self.push_body(bytes, out) } else { self.push_header(bytes, out) };
        }
    }

    fn push_body<'a>(&mut self, bytes: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
        let (now, rest) = bytes.split_at(bytes.len().min(self.body.left));
        self.body.left -= now.len();
        if self.body.keep {
            out.extend_from_slice(now);
        }
        if let Some((_, text, wanted)) = &mut self.body.json {
            let take = now.len().min(*wanted);
            text.extend_from_slice(&now[..take]);
            *wanted -= take;
        }
        if self.body.left == 0
            && let Some((folder, text, _)) = self.body.json.take()
            && proves(&folder, &text, &self.chains)
        {
            self.folders.insert(folder);
        }
        rest
    }

    fn push_header<'a>(&mut self, bytes: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
        let (now, rest) = bytes.split_at(bytes.len().min(BLOCK - self.header.len()));
        self.header.extend_from_slice(now);
        if self.header.len() == BLOCK {
            self.begin_entry();
            if self.body.keep {
                out.extend_from_slice(&self.header);
            }
            self.header.clear();
        }
        rest
    }

    fn begin_entry(&mut self) {
        let kind = self.header[156];
        let size = octal(&self.header[124..136]);
        let (Some(size), b'0' | 0 | b'1'..=b'6') = (size, kind) else {
            // Extended headers speak of the entry behind them; one must not go without the other.
            self.untouched = true;
            self.body = Body { left: size.unwrap_or(0).div_ceil(BLOCK) * BLOCK, keep: true, json: None };
            return;
        };
        let end = self.header[..100].iter().position(|byte| *byte == 0).unwrap_or(100);
        let name = String::from_utf8_lossy(&self.header[..end]).into_owned();
        let is_file = matches!(kind, b'0' | 0);
        let keep = !is_file || !self.is_superfluous(&name);
        let folder = name.strip_suffix("/json").filter(|folder| is_file && is_hex(folder) && size <= JSON_BYTES_MAX);
        let json = folder.map(|folder| (folder.to_owned(), Vec::with_capacity(size), size));
        self.body = Body { left: size.div_ceil(BLOCK) * BLOCK, keep, json };
    }

    /// Layers that are there, and what only engines before 1.10 read.
    fn is_superfluous(&mut self, name: &str) -> bool {
        let folder = |suffix: &str| name.strip_suffix(suffix).filter(|folder| is_hex(folder));
        if folder("/VERSION").is_some() || folder("/json").is_some() {
            return true;
        }
        let known_folder = folder("/layer.tar").is_some_and(|folder| self.folders.contains(folder));
        let digest = name.strip_prefix("blobs/sha256/").or_else(|| name.strip_suffix(".tar"));
        let known = known_folder || digest.is_some_and(|digest| self.layers.contains(digest));
        self.left_out += u32::from(known);
        known
    }
}

fn is_hex(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn octal(field: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(field).ok()?.trim_matches(['\0', ' ']);
    if text.is_empty() { Some(0) } else { usize::from_str_radix(text, 8).ok() }
}

/// Whether a folder's name is the hash of its `json` together with one of the chains.
///
/// Source: Moby's image/v1 `CreateID`: the object without `id`, with `layer_id` and `parent` as digests, keys sorted. The `os` of all
/// layers but the last was added after the hash was taken.
fn proves(folder: &str, json: &[u8], chains: &BTreeSet<Digest>) -> bool {
    let Some(fields) = std::str::from_utf8(json).ok().and_then(fields) else { return false };
    let parent = fields.iter().find(|(key, _)| *key == "parent").map(|(_, value)| format!("\"sha256:{}\"", value.trim_matches('"')));
    let hash = |chain: &Digest, with_os: bool| {
        let layer = format!("\"{chain}\"");
        let kept = fields.iter().copied().filter(|(key, _)| !matches!(*key, "id" | "parent") && (with_os || *key != "os"));
        let mut all: Vec<(&str, &str)> = kept.chain([("layer_id", layer.as_str())]).collect();
        all.extend(parent.as_deref().map(|parent| ("parent", parent)));
        all.sort_unstable();
        let text: Vec<_> = all.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
        Digest::of(format!("{{{}}}", text.join(",")).as_bytes()).hex()
    };
    chains.iter().any(|chain| hash(chain, false) == folder || hash(chain, true) == folder)
}

/// The keys of a compact JSON object with their values exactly as they are written.
fn fields(text: &str) -> Option<Vec<(&str, &str)>> {
    let inner = text.trim().strip_prefix('{')?.strip_suffix('}')?;
    let (mut depth, mut quoted, mut escaped, mut from) = (0_u32, false, false, 0);
    let mut parts = Vec::new();
    for (at, byte) in inner.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.checked_sub(1)?,
            b',' if depth == 0 => {
                parts.push(&inner[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&inner[from..]);
    parts.into_iter().map(|part| part.strip_prefix('"')?.split_once("\":")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        for (name, data) in entries {
            let mut header = tar::Header::new_ustar();
            header.set_size(data.len() as u64);
            tar.append_data(&mut header, name, *data).unwrap();
        }
        tar.into_inner().unwrap()
    }

    fn names(archive: &[u8]) -> Vec<String> {
        let mut tar = tar::Archive::new(archive);
        tar.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().display().to_string()).collect()
    }

    fn thin(archive: &[u8], known: &[(Digest, Digest)], piece: usize) -> (Vec<u8>, u32) {
        let mut thin = Thin::new(known.iter().copied());
        let mut out = Vec::new();
        archive.chunks(piece).for_each(|piece| thin.push(piece, &mut out));
        (out, thin.left_out)
    }

    #[test]
    fn layers_named_by_digest_are_left_out() {
        let (have, lack) = (Digest::of(b"have"), Digest::of(b"lack"));
        let (a, b) = (format!("blobs/sha256/{}", have.hex()), format!("blobs/sha256/{}", lack.hex()));
        let whole = archive(&[(&a, &[1; 5000]), (&b, &[2; 700]), ("manifest.json", b"[]")]);
        for piece in [1, 511, 513, 100_000] {
            let (out, left_out) = thin(&whole, &[(have, have)], piece);
            assert_eq!((names(&out), left_out), (vec![b.clone(), "manifest.json".to_owned()], 1), "in pieces of {piece}");
        }
    }

    #[test]
    fn a_folder_is_left_out_only_if_its_name_proves_its_layer() {
        let chain = Digest::of(b"chain");
        let hashed = format!(r#"{{"container_config":{{"Cmd":null}},"created":"1970","layer_id":"{chain}"}}"#);
        let folder = Digest::of(hashed.as_bytes()).hex();
        let json = format!(r#"{{"id":"{folder}","created":"1970","container_config":{{"Cmd":null}},"os":"linux"}}"#);
        let (v, j, l) = (format!("{folder}/VERSION"), format!("{folder}/json"), format!("{folder}/layer.tar"));
        let whole = archive(&[(&v, b"1.0"), (&j, json.as_bytes()), (&l, &[1; 5000]), ("manifest.json", b"[]")]);
        assert_eq!(names(&thin(&whole, &[(chain, chain)], 300).0), ["manifest.json"]);
        let other = Digest::of(b"other");
        assert_eq!(names(&thin(&whole, &[(other, other)], 300).0), [l, "manifest.json".to_owned()]);
    }
}
