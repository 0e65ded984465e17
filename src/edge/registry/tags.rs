//! All tags of a repository, page by page.

use reqwest::Method;
use reqwest::header::{HeaderMap, LINK};
use serde::Deserialize;

use super::client::{Asked, Question, RegistryClient};
use super::error::RegistryError;
use super::road::Road;
use crate::model::ImageRef;

/// A repository with more tags than these is not followed: the newest may be among those that were not read.
pub(super) const TAGS_MAX: usize = 20_000;
/// So many tags are asked for at once; registries may give fewer.
const PAGE_TAGS: usize = 1_000;
const PAGE_BYTES_MAX: usize = 4 << 20;
/// Registries that give a hundred at a time still reach [`TAGS_MAX`]. One that goes round in a circle comes to its end.
const PAGES_MAX: usize = 200;

#[derive(Deserialize)]
struct Page {
    tags: Option<Vec<String>>,
}

impl RegistryClient {
    pub(super) async fn tags_along(&self, road: &Road, image: &ImageRef) -> Result<Vec<String>, RegistryError> {
        let words = format!("tags of {}", road.repository);
        let asked = Asked(&words);
        let mut tags = Vec::new();
        let mut next = Some(format!("/v2/{}/tags/list?n={PAGE_TAGS}", road.repository));
        for _ in 0..PAGES_MAX {
            let Some(path) = next else { return Ok(tags) };
            let response = self.ask(road, &Question { method: Method::GET, path: &path, accept: "application/json", unless: None, asked }).await?;
            let response = self.expect_success(road, response, asked)?;
            next = next_page(response.headers());
            let body = self.body(road, response, PAGE_BYTES_MAX, asked).await?;
            let page: Page = serde_json::from_slice(&body).map_err(|_| asked.broken(road, None, "what it sends is no list of tags"))?;
            // What is no tag by its form cannot be asked for, whoever lists it.
            tags.extend(page.tags.into_iter().flatten().filter(|tag| image.with_tag(tag).is_ok()));
            if tags.len() > TAGS_MAX {
                break;
            }
        }
        if next.is_none() && tags.len() <= TAGS_MAX {
            return Ok(tags);
        }
        Err(RegistryError::TooLarge { registry: road.registry.clone(), what: words, most: format!("{TAGS_MAX} tags on {PAGES_MAX} pages") })
    }
}

/// The path of the next page: `Link: </v2/…/tags/list?n=…&last=…>; rel="next"`. Only the path of what is written there counts: behind a proxy
/// registries write a host that is not theirs, and a login goes to no other host.
fn next_page(headers: &HeaderMap) -> Option<String> {
    let links = headers.get_all(LINK).iter().filter_map(|value| value.to_str().ok()).flat_map(|line| line.split(','));
    let next = links.filter_map(|link| link.trim().strip_prefix('<')?.split_once('>'));
    let (target, _) = next.into_iter().find(|(_, rest)| {
        let rest = rest.to_ascii_lowercase();
        rest.contains("rel=\"next\"") || rest.contains("rel=next")
    })?;
    let path = match target.split_once("://") {
        Some((_, rest)) => rest.find('/').map(|slash| &rest[slash..])?,
        None => target,
    };
    path.starts_with("/v2/").then(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_read_wherever_the_registry_says_it_is() {
        for (line, expected) in [
            ("</v2/shop/web/tags/list?last=b&n=2>; rel=\"next\"", Some("/v2/shop/web/tags/list?last=b&n=2")),
            ("<http://inner:5000/v2/shop/web/tags/list?last=b>; rel=next", Some("/v2/shop/web/tags/list?last=b")),
            ("</v2/a>; rel=\"prev\", </v2/b>; REL=\"next\"", Some("/v2/b")),
            ("</v2/a>; rel=\"prev\"", None),
            ("<https://evil.example.com>; rel=\"next\"", None),
            ("<@evil.example.com/v2/>; rel=\"next\"", None),
            ("<>; rel=\"next\"", None),
            ("nothing", None),
        ] {
            let headers: HeaderMap = [(LINK, line.parse().unwrap())].into_iter().collect();
            assert_eq!(next_page(&headers).as_deref(), expected, "{line}");
        }
    }
}
