//! Images on an engine: look, pull, tag, untag, which layers are there, and images as streams.

use std::collections::BTreeSet;
use std::time::Duration;

use bollard::auth::DockerCredentials;
use bollard::models::ImageInspect;
use bollard::query_parameters::{CreateImageOptions, ImportImageOptions, ListImagesOptions, RemoveImageOptions, TagImageOptions};
use docker_credential::DockerCredential;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::connect::Connection;
use super::containers::{LOOK_MAX, present};
use super::error::{refused, silent, understand};
use crate::edge::{ByteStream, EngineError, ImageSeen, login};
use crate::model::{Digest, ImageRef, chain_ids};

/// A registry or a disk that says nothing for this long is taken for dead; whole pulls and loads may take much longer.
const STALL_MAX: Duration = Duration::from_secs(180);
/// An engine unpacks what it was sent in silence: minutes for an image of many gigabytes on a slow disk.
const UNPACK_MAX: Duration = Duration::from_secs(1800);
/// Nothing that an engine takes or gives is larger than what fits into this.
const TRANSFER_MAX: Duration = Duration::from_secs(4 * 3600);
/// Inspections under way at once.
const INSPECT_MAX: usize = 16;

/// The ids of all images that the engine has, those without a name included.
pub(super) async fn image_ids(connection: &Connection) -> Result<BTreeSet<Digest>, EngineError> {
    let docker = connection.docker(LOOK_MAX).await?;
    let options = ListImagesOptions { all: true, ..ListImagesOptions::default() };
    let listed = connection.within(LOOK_MAX, "list images", docker.list_images(Some(options))).await?;
    Ok(listed.iter().filter_map(|image| image.id.parse().ok()).collect())
}

/// Looks for an image by reference or id.
pub(super) async fn image(connection: &Connection, reference: &str) -> Result<Option<ImageSeen>, EngineError> {
    let docker = connection.docker(LOOK_MAX).await?;
    let what = format!("inspect image {reference}");
    match present(connection.within(LOOK_MAX, &what, docker.inspect_image(reference)).await)? {
        None => Ok(None),
        Some(found) => read(&found).map(Some).ok_or_else(|| refused(connection.name(), &what, "its answer lacks an id or layers")),
    }
}

fn read(found: &ImageInspect) -> Option<ImageSeen> {
    let config = found.config.clone().unwrap_or_default();
    let layers = found.root_fs.as_ref().and_then(|fs| fs.layers.as_ref());
    let layers: Result<Vec<Digest>, _> = layers.into_iter().flatten().map(|layer| layer.parse()).collect();
    let mut volumes = config.volumes.clone().unwrap_or_default();
    volumes.sort();
    let health_test = config.healthcheck.as_ref().and_then(|check| check.test.as_ref());
    Some(ImageSeen {
        id: found.id.as_deref()?.parse().ok()?,
        layers: layers.ok()?,
        config: config_hash(found),
        repo_digests: found.repo_digests.clone().unwrap_or_default(),
        volumes,
        has_healthcheck: health_test.is_some_and(|test| !test.is_empty() && test[0] != "NONE"),
        labels: config.labels.unwrap_or_default().into_iter().collect(),
        size: found.size.and_then(|size| u64::try_from(size).ok()).unwrap_or(0),
    })
}

/// Labels that differ from build to build of the same content.
fn says_nothing_of_content(label: &str) -> bool {
    const OCI: &str = "org.opencontainers.image.";
    let oci = ["created", "revision", "version", "base.digest", "base.name", "source"];
    label.starts_with("io.refit.") || label.strip_prefix(OCI).is_some_and(|rest| oci.contains(&rest))
}

/// The hash of what a container gets from the image besides its files. Keys are sorted, so engines that order them differently agree.
fn config_hash(found: &ImageInspect) -> Digest {
    let config = found.config.clone().unwrap_or_default();
    let sorted = |list: Option<Vec<String>>| {
        let mut list = list.unwrap_or_default();
        list.sort();
        list
    };
    let labels = config.labels.unwrap_or_default().into_iter();
    let labels: std::collections::BTreeMap<_, _> = labels.filter(|(key, _)| !says_nothing_of_content(key)).collect();
    let hashed = serde_json::json!({
        "env": config.env.unwrap_or_default(),
        "cmd": config.cmd.unwrap_or_default(),
        "entrypoint": config.entrypoint.unwrap_or_default(),
        "user": config.user.unwrap_or_default(),
        "workdir": config.working_dir.unwrap_or_default(),
        "ports": sorted(config.exposed_ports),
        "volumes": sorted(config.volumes),
        "stop_signal": config.stop_signal.unwrap_or_default(),
        "healthcheck": config.healthcheck,
        "labels": labels,
        "on_build": config.on_build.unwrap_or_default(),
        "shell": config.shell.unwrap_or_default(),
        "architecture": found.architecture,
        "os": found.os,
    });
    Digest::of(hashed.to_string().as_bytes())
}

/// Lets the engine pull, and waits as long as it makes progress.
pub(super) async fn pull(connection: &Connection, reference: &ImageRef) -> Result<ImageSeen, EngineError> {
    let what = format!("pull {}", reference.familiar());
    let credentials = credentials(connection, reference.registry(), &what).await?;
    let docker = connection.docker(STALL_MAX).await?;
    // With a digest the reference stands alone; with a bare name the engine would pull every tag.
    let (from_image, tag) = match reference.digest() {
        Some(digest) => (reference.with_digest(digest).to_string(), None),
        None => (reference.name().to_owned(), reference.tag().map(str::to_owned)),
    };
    let options = CreateImageOptions { from_image: Some(from_image), tag, ..CreateImageOptions::default() };
    let mut progress = docker.create_image(Some(options), None, credentials);
    loop {
        match tokio::time::timeout(STALL_MAX, progress.next()).await {
            Err(_) => return Err(silent(connection.name(), &format!("no progress within {} s to {what}", STALL_MAX.as_secs()))),
            Ok(None) => break,
            Ok(Some(Err(error))) => return Err(understand(connection.name(), &what, error)),
            Ok(Some(Ok(_))) => {}
        }
    }
    let pulled = image(connection, &reference.to_string()).await?;
    pulled.ok_or_else(|| refused(connection.name(), &what, "the pull ended, but the image is not there"))
}

/// What the user's Docker configuration has for a registry.
async fn credentials(connection: &Connection, registry: &str, what: &str) -> Result<Option<DockerCredentials>, EngineError> {
    let found = login::of(registry).await.map_err(|why| refused(connection.name(), what, &why))?;
    let of_user = |found: DockerCredential| {
        let server = DockerCredentials { serveraddress: Some(login::config_key(registry).to_owned()), ..DockerCredentials::default() };
        match found {
            DockerCredential::UsernamePassword(username, password) => {
                DockerCredentials { username: Some(username), password: Some(password), ..server }
            }
            DockerCredential::IdentityToken(token) => DockerCredentials { identitytoken: Some(token), ..server },
        }
    };
    Ok(found.map(of_user))
}

/// Gives an image a further name.
pub(super) async fn tag(connection: &Connection, id: Digest, reference: &ImageRef) -> Result<(), EngineError> {
    let docker = connection.docker(LOOK_MAX).await?;
    let options = TagImageOptions { repo: Some(reference.name().to_owned()), tag: reference.tag().map(str::to_owned) };
    let what = format!("tag {} as {}", id.short(), reference.familiar());
    connection.within(LOOK_MAX, &what, docker.tag_image(&id.to_string(), Some(options))).await
}

/// Takes a name off; without force, so an image that a container uses stays whole.
pub(super) async fn untag(connection: &Connection, reference: &ImageRef) -> Result<(), EngineError> {
    let docker = connection.docker(STALL_MAX).await?;
    let options = RemoveImageOptions { force: false, noprune: false, platforms: None };
    let name = reference.to_string();
    let call = docker.remove_image(&name, Some(options), None);
    present(connection.within(STALL_MAX, &format!("untag {}", reference.familiar()), call).await).map(|_| ())
}

/// The chain ids of all layers of all images.
///
/// Empty for the containerd image store: it keeps blobs, not chains, and takes only whole images.
pub(super) async fn layer_chains(connection: &Connection) -> Result<Vec<Digest>, EngineError> {
    let docker = connection.docker(LOOK_MAX).await?;
    let info = connection.within(LOOK_MAX, "say what it is", docker.info()).await?;
    let backing = info.driver_status.unwrap_or_default();
    if backing.iter().flatten().any(|word| word.starts_with("io.containerd.snapshotter")) {
        return Ok(Vec::new());
    }
    let listed = connection.within(LOOK_MAX, "list images", docker.list_images(None::<ListImagesOptions>)).await?;
    let seen: Vec<_> =
        stream::iter(listed).map(|summary| async move { image(connection, &summary.id).await }).buffer_unordered(INSPECT_MAX).try_collect().await?;
    let chains: BTreeSet<Digest> = seen.into_iter().flatten().flat_map(|image| chain_ids(&image.layers)).collect();
    Ok(chains.into_iter().collect())
}

/// Streams an image out of the engine.
pub(super) async fn export(connection: &Connection, id: Digest) -> Result<ByteStream, EngineError> {
    let what = format!("export image {}", id.short());
    let docker = connection.docker(TRANSFER_MAX).await?;
    let name = connection.name().to_owned();
    let mut chunks = Box::pin(async_chunks(docker, id.to_string()));
    // The first piece is awaited here, so that an image that is not there is an error of this call and not a broken stream.
    let first = match tokio::time::timeout(STALL_MAX, chunks.next()).await {
        Err(_) => return Err(silent(&name, &format!("no answer within {} s to {what}", STALL_MAX.as_secs()))),
        Ok(None) => return Err(refused(&name, &what, "it sent nothing")),
        Ok(Some(first)) => first.map_err(|error| understand(&name, &what, error))?,
    };
    let rest = chunks.map_err(std::io::Error::other);
    Ok(Box::pin(stream::once(async { Ok(first) }).chain(bounded(rest))))
}

fn async_chunks(docker: bollard::Docker, id: String) -> impl futures_util::Stream<Item = Result<bytes::Bytes, bollard::errors::Error>> + Send {
    docker.export_image(&id)
}

/// Ends a stream with an error when nothing comes for [`STALL_MAX`].
fn bounded(
    chunks: impl futures_util::Stream<Item = std::io::Result<bytes::Bytes>> + Send + Unpin,
) -> impl futures_util::Stream<Item = std::io::Result<bytes::Bytes>> + Send {
    stream::unfold(Some(chunks), |chunks| async {
        let mut chunks = chunks?;
        match tokio::time::timeout(STALL_MAX, chunks.next()).await {
            Ok(None) => None,
            Ok(Some(item)) => Some((item, Some(chunks))),
            Err(_) => Some((Err(std::io::Error::new(std::io::ErrorKind::TimedOut, "the export stalled")), None)),
        }
    })
}

/// Streams an image into the engine. It answers only at the end, so the limit counts from the last piece that it took.
pub(super) async fn load(connection: &Connection, image: ByteStream) -> Result<(), EngineError> {
    let what = "load an image";
    let docker = connection.docker(TRANSFER_MAX).await?;
    let (moved, mut still) = tokio::sync::watch::channel(());
    let counted = image.inspect(move |_| moved.send_replace(()));
    let options = ImportImageOptions { quiet: true, platform: None };
    let mut answers = docker.import_image_stream(options, counted, None);
    let loading = async {
        while let Some(answer) = answers.next().await {
            answer?;
        }
        Ok(())
    };
    tokio::pin!(loading);
    let stalled = |limit: Duration| silent(connection.name(), &format!("no progress within {} s to {what}", limit.as_secs()));
    let done = loop {
        tokio::select! {
            done = &mut loading => break done,
            piece = tokio::time::timeout(STALL_MAX, still.changed()) => match piece {
                Ok(Ok(())) => {}
                Err(_) => return Err(stalled(STALL_MAX)),
                // The whole image is sent and its stream dropped; what is left is the engine's own work.
                Ok(Err(_)) => break tokio::time::timeout(UNPACK_MAX, &mut loading).await.map_err(|_| stalled(UNPACK_MAX))?,
            },
        }
    };
    done.map_err(|error| understand(connection.name(), what, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inspected(change: impl Fn(&mut serde_json::Value)) -> ImageInspect {
        let mut json = serde_json::json!({
            "Id": Digest::of(b"id").to_string(), "Architecture": "amd64", "Os": "linux", "Size": 5,
            "RootFS": { "Type": "layers", "Layers": [Digest::of(b"a").to_string()] },
            "Config": { "Env": ["A=1"], "Cmd": ["x"], "Volumes": { "/b": {}, "/a": {} }, "Labels": { "team": "x" }, "Healthcheck": { "Test": ["CMD", "y"] } },
        });
        change(&mut json);
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn an_inspection_is_read() {
        let seen = read(&inspected(|_| {})).unwrap();
        assert_eq!(seen.volumes, ["/a", "/b"]);
        assert!(seen.has_healthcheck);
        assert_eq!((seen.layers.len(), seen.size), (1, 5));
        assert!(!read(&inspected(|json| json["Config"]["Healthcheck"]["Test"] = serde_json::json!(["NONE"]))).unwrap().has_healthcheck);
    }

    #[test]
    fn the_configs_hash_sees_content_and_not_the_build() {
        let plain = config_hash(&inspected(|_| {}));
        let same: [fn(&mut serde_json::Value); 3] = [
            |json| json["Created"] = "2026-01-01T00:00:00Z".into(),
            |json| json["Config"]["Labels"]["org.opencontainers.image.created"] = "now".into(),
            |json| json["Config"]["Labels"]["io.refit.run"] = "9".into(),
        ];
        for change in same {
            assert_eq!(config_hash(&inspected(change)), plain);
        }
        let other: [fn(&mut serde_json::Value); 4] = [
            |json| json["Config"]["Env"] = serde_json::json!(["A=2"]),
            |json| json["Config"]["Labels"]["org.opencontainers.image.title"] = "x".into(),
            |json| json["Architecture"] = "arm64".into(),
            |json| json["Config"]["Healthcheck"]["Test"] = serde_json::json!(["CMD", "z"]),
        ];
        for change in other {
            assert_ne!(config_hash(&inspected(change)), plain);
        }
    }
}
