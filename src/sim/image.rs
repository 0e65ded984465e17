//! Images without bytes: built from their inputs alone, carried in the format of `docker save`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use serde_json::{Value, json};

use crate::edge::{BuildError, BuildRequest, ImageSeen};
use crate::model::Digest;

/// An image that a registry or a test gives, with one layer.
pub fn sim_image(name: &str) -> ImageSeen {
    let of = |part: &str| Digest::of(format!("{part} {name}").as_bytes());
    image_of(of("image"), vec![of("layer")], of("config"), BTreeMap::new())
}

fn image_of(id: Digest, layers: Vec<Digest>, config: Digest, labels: BTreeMap<String, String>) -> ImageSeen {
    let size = 1000 * layers.len() as u64;
    ImageSeen { id, layers, config, repo_digests: Vec::new(), volumes: Vec::new(), has_healthcheck: false, labels, size }
}

/// Builds: the id follows from the base's layers, the instructions, the arguments, the labels and every file; the content from all of these but
/// the labels, so that a comment changes nothing.
///
/// As much of a Dockerfile as a simulation needs is read: what the last FROM names must be here, and `RUN false` fails.
pub(super) fn build(request: &BuildRequest, find: impl Fn(&str) -> Option<ImageSeen>) -> Result<ImageSeen, BuildError> {
    let text = String::from_utf8_lossy(&request.dockerfile).into_owned();
    let failed = |why: String| BuildError::Failed { why };
    if text.lines().any(|line| line.trim() == "RUN false") {
        return Err(failed("process \"/bin/sh -c false\" did not complete successfully: exit code: 1".to_owned()));
    }
    let from = text.lines().rev().find_map(|line| line.trim().strip_prefix("FROM ")).and_then(|rest| rest.split_whitespace().next());
    let mut layers = match from {
        None => return Err(failed("no build stage in current context".to_owned())),
        Some("scratch") => Vec::new(),
        Some(base) => find(base).ok_or_else(|| failed(format!("{base}: not found")))?.layers,
    };
    let counts = |line: &&str| !line.is_empty() && !line.starts_with('#') && !line.starts_with("FROM ");
    let instructions: Vec<&str> = text.lines().map(str::trim).filter(counts).collect();
    let mut inputs = format!("{instructions:?}\n{:?}\n{:?}\n", request.args, request.target).into_bytes();
    read_context(request, &mut inputs).map_err(|error| BuildError::Context { why: error.to_string() })?;
    let content = Digest::of(&inputs);
    layers.push(content);
    let id = Digest::of(format!("{layers:?} {:?}", request.labels).as_bytes());
    Ok(image_of(id, layers, content, request.labels.clone()))
}

fn read_context(request: &BuildRequest, into: &mut Vec<u8>) -> std::io::Result<()> {
    for entry in request.context.entries()? {
        into.extend(format!("{} {:?} {:o}\n", entry.path, entry.kind, entry.mode).bytes());
        // The Dockerfile is there by its instructions.
        if entry.kind == crate::edge::EntryKind::File && entry.path != "Dockerfile" {
            request.context.open(&entry.path)?.read_to_end(into)?;
        }
    }
    Ok(())
}

/// The chain ids of an image: each layer together with all below it. Source: the OCI image specification, "Layer ChainID".
pub(super) fn chains(image: &ImageSeen) -> Vec<Digest> {
    let mut chain: Option<Digest> = None;
    let next = |layer: &Digest| {
        let this = chain.map_or(*layer, |below| Digest::of(format!("{below} {layer}").as_bytes()));
        chain = Some(this);
        this
    };
    image.layers.iter().map(next).collect()
}

/// Writes an image as `docker save` does.
pub(super) fn save(image: &ImageSeen) -> std::io::Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    let layer_path = |layer: &Digest| format!("{}/layer.tar", layer.hex());
    for layer in &image.layers {
        put(&mut tar, &layer_path(layer), layer.to_string().as_bytes())?;
    }
    let config = json!({
        "config": { "Labels": image.labels, "Volumes": image.volumes },
        "rootfs": { "type": "layers", "diff_ids": image.layers },
        "sim": { "config": image.config },
    });
    let config_path = format!("{}.json", image.id.hex());
    put(&mut tar, &config_path, config.to_string().as_bytes())?;
    let layers: Vec<_> = image.layers.iter().map(layer_path).collect();
    put(&mut tar, "manifest.json", json!([{ "Config": config_path, "RepoTags": null, "Layers": layers }]).to_string().as_bytes())?;
    tar.into_inner()
}

fn put(tar: &mut tar::Builder<Vec<u8>>, path: &str, bytes: &[u8]) -> std::io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    tar.append_data(&mut header, path, bytes)
}

/// Reads an image as `docker load` does: a layer may be missing if the engine has it, on top of the same ones, already.
pub(super) fn load(bytes: &[u8], has: &BTreeSet<Digest>) -> Result<ImageSeen, String> {
    let mut files = BTreeMap::new();
    for entry in tar::Archive::new(bytes).entries().map_err(|error| error.to_string())? {
        let mut entry = entry.map_err(|error| error.to_string())?;
        let path = entry.path().map_err(|error| error.to_string())?.to_string_lossy().into_owned();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).map_err(|error| error.to_string())?;
        files.insert(path, content);
    }
    let json = |path: &str| -> Result<Value, String> {
        let bytes = files.get(path).ok_or_else(|| format!("open {path}: no such file"))?;
        serde_json::from_slice(bytes).map_err(|error| format!("{path}: {error}"))
    };
    let manifest = json("manifest.json")?;
    let config_path = manifest[0]["Config"].as_str().ok_or("manifest.json: no Config")?.to_owned();
    let config = json(&config_path)?;
    let id = format!("sha256:{}", config_path.trim_end_matches(".json")).parse().map_err(|_| format!("{config_path} is no id"))?;
    let field = |value: &Value| value.clone();
    let layers: Vec<Digest> = serde_json::from_value(field(&config["rootfs"]["diff_ids"])).map_err(|error| error.to_string())?;
    let labels = serde_json::from_value(field(&config["config"]["Labels"])).map_err(|error| error.to_string())?;
    let content = serde_json::from_value(field(&config["sim"]["config"])).map_err(|error| error.to_string())?;
    let mut image = image_of(id, layers, content, labels);
    image.volumes = serde_json::from_value(field(&config["config"]["Volumes"])).map_err(|error| error.to_string())?;
    for (layer, chain) in image.layers.iter().zip(chains(&image)) {
        let path = format!("{}/layer.tar", layer.hex());
        if !files.contains_key(&path) && !has.contains(&chain) {
            return Err(format!("open {path}: no such file"));
        }
    }
    Ok(image)
}
