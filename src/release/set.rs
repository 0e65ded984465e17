//! Makes a release of the one before, what the builds came to, and what the services are now.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{Release, ReleasedImage, ServiceRelease};
use crate::build::BuildOutcome;
use crate::model::{Digest, ImageName, ImageRef, ReleaseNumber, RunId, ServiceName, SmallMap};
use crate::pipeline::{Estate, Service, ServiceImage};

/// How one image of the run ended, and what it stands on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageResult {
    /// How.
    pub outcome: BuildOutcome,
    /// Every reference of that build, resolved: bases by digest, images of the estate by id.
    pub bases: SmallMap<ImageRef, Digest>,
    /// The commit of its context.
    pub commit: Option<String>,
    /// The part of its inputs that its own sources and settings make up.
    pub own_inputs: Option<Digest>,
    /// The hash of its context.
    pub context: Option<Digest>,
}

/// What a release is made of.
#[derive(Debug, Clone, Copy)]
pub struct Making<'a> {
    /// The number that it gets.
    pub number: ReleaseNumber,
    /// The run that makes it.
    pub run: RunId,
    /// When.
    pub now: Timestamp,
    /// The latest release, whether it was rolled back or not.
    pub previous: Option<&'a Release>,
    /// What people wrote.
    pub estate: &'a Estate,
    /// How the images of this run ended.
    pub results: &'a BTreeMap<ImageName, ImageResult>,
    /// The services that this run rolls; the others stay as they were in the release before.
    pub rolls: &'a BTreeSet<ServiceName>,
    /// The ids of bases that services run as they are.
    pub external_ids: &'a BTreeMap<ImageRef, Digest>,
}

/// Why a service does not roll to the new release.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Its image failed.
    #[error("its image {image} failed to build: {why}")]
    BuildFailed {
        /// The image.
        image: ImageName,
        /// Why.
        why: String,
    },
    /// Its image was skipped.
    #[error("its image {image} was skipped, because {because} failed to build")]
    BuildSkipped {
        /// The image.
        image: ImageName,
        /// The image that failed.
        because: ImageName,
    },
    /// There is no build of its image.
    #[error("its image {image} was never built")]
    NeverBuilt {
        /// The image.
        image: ImageName,
    },
    /// The base that it runs is not known.
    #[error("its image {} is not on the builder", base.familiar())]
    BaseUnknown {
        /// The base.
        base: ImageRef,
    },
}

/// A release, and the services that it cannot serve.
#[derive(Debug, Clone, PartialEq)]
pub struct Made {
    /// The release.
    pub release: Release,
    /// The services that were to roll and stay where they are (invariant 6).
    pub refused: BTreeMap<ServiceName, Refused>,
}

/// Makes the release. Images that left the estate leave the release; an image whose build failed keeps its build of the release before.
pub fn make(making: &Making<'_>) -> Made {
    let mut images = BTreeMap::new();
    for name in making.estate.images.keys() {
        let before = making.previous.and_then(|release| release.images.get(name));
        if let Some(image) = image(making.results.get(name), before) {
            images.insert(name.clone(), image);
        }
    }
    let mut services = BTreeMap::new();
    let mut refused = BTreeMap::new();
    for (name, service) in &making.estate.services {
        let before = making.previous.and_then(|release| release.services.get(name)).cloned();
        if !making.rolls.contains(name) {
            services.extend(before.map(|before| (name.clone(), before)));
            continue;
        }
        match service_id(making, &images, service) {
            Ok(id) => {
                services.insert(name.clone(), as_service(service, id));
            }
            Err(why) => {
                services.extend(before.map(|before| (name.clone(), before)));
                refused.insert(name.clone(), why);
            }
        }
    }
    Made { release: Release { number: making.number, run: making.run, made_at: making.now, images, services }, refused }
}

/// Whether a release differs from the one before in anything that could be rolled; if not, there is nothing to make.
pub fn differs(new: &Release, previous: Option<&Release>) -> bool {
    previous.is_none_or(|previous| previous.images != new.images || previous.services != new.services)
}

fn image(result: Option<&ImageResult>, before: Option<&ReleasedImage>) -> Option<ReleasedImage> {
    let Some(result) = result else { return before.cloned() };
    match &result.outcome {
        BuildOutcome::Built { id, tag, inputs } | BuildOutcome::Reused { id, tag, inputs } | BuildOutcome::Unchanged { id, tag, inputs } => {
            let (id, tag, inputs) = (*id, tag.clone(), *inputs);
            // A step that only stood there says nothing new of what it was made from.
            let stood = before.filter(|before| before.id == id && before.inputs == inputs && result.bases.is_empty());
            Some(stood.cloned().unwrap_or_else(|| ReleasedImage {
                id,
                inputs,
                tag,
                bases: result.bases.clone(),
                commit: result.commit.clone(),
                own_inputs: result.own_inputs,
                context: result.context,
            }))
        }
        BuildOutcome::Failed { .. } | BuildOutcome::Skipped { .. } => before.cloned(),
    }
}

fn service_id(making: &Making<'_>, images: &BTreeMap<ImageName, ReleasedImage>, service: &Service) -> Result<Digest, Refused> {
    let image = match &service.image {
        ServiceImage::External(base) => {
            return making.external_ids.get(base).copied().ok_or_else(|| Refused::BaseUnknown { base: base.clone() });
        }
        ServiceImage::Estate(image) => image,
    };
    match making.results.get(image).map(|result| &result.outcome) {
        Some(BuildOutcome::Failed { why, .. }) => Err(Refused::BuildFailed { image: image.clone(), why: why.clone() }),
        Some(BuildOutcome::Skipped { because }) => Err(Refused::BuildSkipped { image: image.clone(), because: because.clone() }),
        _ => images.get(image).map(|image| image.id).ok_or_else(|| Refused::NeverBuilt { image: image.clone() }),
    }
}

fn as_service(service: &Service, id: Digest) -> ServiceRelease {
    let image = crate::plan::image_as_written(&service.image);
    ServiceRelease { image, id, container: service.container.clone(), probe: service.probe.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::samples::{self, Sample};

    fn id(text: &str) -> Digest {
        Digest::of(text.as_bytes())
    }

    fn result(outcome: BuildOutcome) -> ImageResult {
        let bases = SmallMap::from_iter([("debian".parse().unwrap(), id("debian"))]);
        ImageResult { outcome, bases, commit: Some("abc".into()), own_inputs: Some(id("own")), context: Some(id("files")) }
    }

    fn built(image: &str, content: &str) -> ImageResult {
        result(BuildOutcome::Built { id: id(content), tag: format!("{image}:{content}").parse().unwrap(), inputs: id(&format!("in {content}")) })
    }

    fn failed() -> ImageResult {
        result(BuildOutcome::Failed { why: "exit code: 1".into(), last_lines: Vec::new() })
    }

    fn skipped(because: &str) -> ImageResult {
        result(BuildOutcome::Skipped { because: because.parse().unwrap() })
    }

    /// `base`, and `api` and `web` on it, each with a service of its name.
    fn shop() -> Estate {
        let mut sample = Sample::fresh("base: debian, api: base, web: base");
        sample.serve("api", "api");
        sample.serve("web", "web");
        sample.estate
    }

    fn made(estate: &Estate, number: u64, previous: Option<&Release>, results: &[(&str, ImageResult)], rolls: &[&str]) -> Made {
        let results = results.iter().map(|(image, result)| (image.parse().unwrap(), result.clone())).collect();
        let rolls = rolls.iter().map(|service| service.parse().unwrap()).collect();
        make(&Making {
            number: ReleaseNumber(number),
            run: RunId(number),
            now: Timestamp::UNIX_EPOCH,
            previous,
            estate,
            results: &results,
            rolls: &rolls,
            external_ids: &BTreeMap::from([("redis".parse().unwrap(), id("redis"))]),
        })
    }

    fn first(estate: &Estate) -> Release {
        let results = [("base", built("base", "base-1")), ("api", built("api", "api-1")), ("web", built("web", "web-1"))];
        made(estate, 1, None, &results, &["api", "web"]).release
    }

    /// What the release has for each service: `api api-1, web web-2`.
    fn services(release: &Release) -> String {
        let named = ["api-1", "api-2", "web-1", "web-2", "redis"];
        let name = |found: Digest| named.iter().find(|name| id(name) == found).unwrap();
        release.services.iter().map(|(service, one)| format!("{service} {}", name(one.id))).collect::<Vec<_>>().join(", ")
    }

    fn refused(made: &Made) -> Vec<String> {
        made.refused.iter().map(|(service, why)| format!("{service}: {why}")).collect()
    }

    #[test]
    fn a_service_without_its_image_stays_and_the_others_go_on() {
        let estate = shop();
        let r1 = first(&estate);
        assert_eq!(services(&r1), "api api-1, web web-1");
        let r2 = made(&estate, 2, Some(&r1), &[("api", failed()), ("web", built("web", "web-2"))], &["api", "web"]);
        assert_eq!(services(&r2.release), "api api-1, web web-2", "invariant 6");
        assert_eq!(refused(&r2), ["api: its image api failed to build: exit code: 1"]);
        assert_eq!(r2.release.images[&"api".parse::<ImageName>().unwrap()], r1.images[&"api".parse::<ImageName>().unwrap()]);
        let none = made(&estate, 1, None, &[("base", failed()), ("api", skipped("base"))], &["api", "web"]);
        assert_eq!(services(&none.release), "", "nothing is released that was not built");
        assert_eq!(refused(&none), ["api: its image api was skipped, because base failed to build", "web: its image web was never built"]);
    }

    #[test]
    fn only_what_the_run_rolls_is_another_one() {
        let estate = shop();
        let r1 = first(&estate);
        let results = [("api", built("api", "api-2")), ("web", built("web", "web-2"))];
        let r2 = made(&estate, 2, Some(&r1), &results, &["web"]);
        assert_eq!((services(&r2.release).as_str(), refused(&r2)), ("api api-1, web web-2", Vec::new()));
        assert_eq!(r2.release.images[&"api".parse::<ImageName>().unwrap()].id, id("api-2"), "its image is there for a later run");
    }

    #[test]
    fn what_left_the_estate_leaves_the_release() {
        let mut estate = shop();
        let r1 = first(&estate);
        estate.images.remove(&"api".parse::<ImageName>().unwrap());
        estate.services.remove(&"api".parse::<ServiceName>().unwrap());
        let r2 = made(&estate, 2, Some(&r1), &[], &["web"]).release;
        assert_eq!((services(&r2).as_str(), r2.images.len()), ("web web-1", 2));
    }

    #[test]
    fn a_service_of_a_base_takes_the_builders_own() {
        let mut estate = shop();
        for (name, base) in [("cache", "redis"), ("queue", "rabbitmq")] {
            let service = samples::service(name, ServiceImage::External(base.parse().unwrap()));
            estate.services.insert(service.name.clone(), service);
        }
        let made = made(&estate, 1, None, &[], &["cache", "queue"]);
        assert_eq!(services(&made.release), "cache redis");
        assert_eq!(refused(&made), ["queue: its image rabbitmq is not on the builder"]);
    }

    #[test]
    fn an_image_that_only_stood_there_keeps_what_was_known_of_it() {
        let estate = shop();
        let r1 = first(&estate);
        let reused = |inputs: &str, bases| {
            let outcome = BuildOutcome::Reused { id: id("web-1"), tag: "web:web-1".parse().unwrap(), inputs: id(inputs) };
            let made = made(&estate, 2, Some(&r1), &[("web", ImageResult { bases, commit: None, ..result(outcome) })], &[]);
            made.release.images[&"web".parse::<ImageName>().unwrap()].commit.clone()
        };
        assert_eq!(reused("in web-1", SmallMap::new()).as_deref(), Some("abc"));
        assert_eq!(reused("in other", SmallMap::new()), None, "other inputs came to the same image");
        assert_eq!(reused("in web-1", SmallMap::from_iter([("debian".parse().unwrap(), id("new"))])), None, "it was made from something now");
    }

    #[test]
    fn a_release_differs_by_what_is_in_it() {
        let estate = shop();
        let r1 = first(&estate);
        let again = made(&estate, 2, Some(&r1), &[], &["api", "web"]).release;
        assert!(!differs(&again, Some(&r1)), "number, run and time say nothing");
        assert!(differs(&again, None));
        assert!(differs(&made(&estate, 2, Some(&r1), &[("base", built("base", "base-2"))], &[]).release, Some(&r1)));
        let mut other = shop();
        other.services.get_mut(&"web".parse::<ServiceName>().unwrap()).unwrap().container.user = Some("1000".into());
        assert!(differs(&made(&other, 2, Some(&r1), &[], &["web"]).release, Some(&r1)));
        assert!(!differs(&made(&other, 2, Some(&r1), &[], &[]).release, Some(&r1)), "a service that is not rolled stays as it was");
    }
}
