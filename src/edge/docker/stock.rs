//! What an engine has in store: its images with their names and sizes, and which containers are made of them. And how an image is taken away.

use std::collections::BTreeMap;

use bollard::models::{ImageHistoryResponseItem, ImageSummary};
use bollard::query_parameters::{ListContainersOptions, ListImagesOptions, RemoveImageOptions};
use futures_util::{StreamExt, TryStreamExt, stream};
use std::time::Duration;

use super::connect::Connection;
use super::containers::{LOOK_MAX, present};
use super::images;
use crate::edge::{EngineError, labels};
use crate::model::{Digest, EstateName, ImageRef};
use crate::prune::{ImageThere, Owner, Piece, Stock};

/// Removing an image unlinks all its files, on a disk that may be slow.
const REMOVE_MAX: Duration = Duration::from_secs(300);
/// Histories that are asked for at once.
const HISTORIES_AT_ONCE: usize = 8;

/// Lists all images, and all containers with what they are made of.
pub(super) async fn stock(connection: &Connection, estate: &EstateName) -> Result<Stock, EngineError> {
    let docker = connection.docker(LOOK_MAX).await?;
    let options = ListContainersOptions { all: true, ..ListContainersOptions::default() };
    let containers = connection.within(LOOK_MAX, "list containers", docker.list_containers(Some(options))).await?;
    let made_of = containers.into_iter().filter_map(|one| Some((one.id?, one.image_id?.parse().ok()?)));
    let containers: BTreeMap<String, Digest> = made_of.collect();
    let listed = connection.within(LOOK_MAX, "list images", docker.list_images(None::<ListImagesOptions>)).await?;
    let read: Vec<ImageThere> = listed.iter().filter_map(|summary| image(summary, estate)).collect();
    let read = read.into_iter().map(|one| async move { Ok(ImageThere { pieces: pieces(connection, one.id).await?, ..one }) });
    Ok(Stock { images: stream::iter(read).buffered(HISTORIES_AT_ONCE).try_collect().await?, containers })
}

fn image(summary: &ImageSummary, estate: &EstateName) -> Option<ImageThere> {
    let owner = match summary.labels.get(labels::ESTATE) {
        Some(other) if other == estate.as_str() => Owner::Us,
        Some(_) => Owner::Another,
        None => Owner::Nobody,
    };
    // Old engines write `<none>` where there is nothing.
    let is_there = |name: &&String| !name.contains("<none>");
    Some(ImageThere {
        id: summary.id.parse().ok()?,
        names: summary.repo_tags.iter().filter(is_there).filter_map(|name| name.parse().ok()).collect(),
        pulled: summary.repo_digests.iter().any(|digest| !digest.contains("<none>")),
        owner,
        size: u64::try_from(summary.size).unwrap_or(0),
        pieces: Vec::new(),
    })
}

/// The steps that an image was made in, lowest first. Images that were made in the same steps share their layers; an engine before API 1.42 says of
/// no image which layers those are. None for an image that has gone meanwhile.
async fn pieces(connection: &Connection, id: Digest) -> Result<Vec<Piece>, EngineError> {
    let docker = connection.docker(LOOK_MAX).await?;
    let what = format!("tell the history of image {}", id.short());
    let history = present(connection.within(LOOK_MAX, &what, docker.image_history(&id.to_string())).await)?;
    Ok(history.unwrap_or_default().iter().rev().map(piece).collect())
}

fn piece(step: &ImageHistoryResponseItem) -> Piece {
    let key = Digest::of(format!("{} {} {}", step.created, step.size, step.created_by).as_bytes());
    Piece { key, bytes: u64::try_from(step.size).unwrap_or(0) }
}

/// Takes names off, and the image with the last of them. Images below it that have no name are somebody else's to remove.
pub(super) async fn remove_image(connection: &Connection, id: Digest, names: &[ImageRef]) -> Result<(), EngineError> {
    for name in names {
        delete(connection, &name.to_string(), &name.familiar()).await?;
    }
    match images::image(connection, &id.to_string()).await? {
        None => Ok(()),
        Some(_) => delete(connection, &id.to_string(), &id.short()).await,
    }
}

async fn delete(connection: &Connection, image: &str, shown: &str) -> Result<(), EngineError> {
    let docker = connection.docker(REMOVE_MAX).await?;
    let options = RemoveImageOptions { force: false, noprune: true, platforms: None };
    let call = docker.remove_image(image, Some(options), None);
    present(connection.within(REMOVE_MAX, &format!("remove image {shown}"), call).await).map(|_| ())
}
