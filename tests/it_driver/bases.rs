//! What a base stands for where it is cooling, follows other tags than its own, or cannot be asked for.

use std::sync::Arc;

use async_trait::async_trait;
use refit::driver::{BaseNow, BaseRules, CameTo, Driver, Settings};
use refit::journal::Journal;
use refit::model::{ImageName, ImageRef};
use refit::pipeline::CycleRefresh;
use refit::plan::Change;
use refit::run::RunOutcome;
use refit::sim::sim_image;

use crate::world::{BASE, SHOP, World};

/// `side` runs an image as it is, whose newest tag of a series counts.
fn following() -> String {
    let side = "  side:\n    image: side:stable\n    deploy: { hosts: \"zone=b\" }\n";
    SHOP.to_owned() + side + "bases: { \"side:stable\": { follow: { semver: \"^1\" } }, \"debian:12\": { follow: { semver: \"^12\" } } }\n"
}

/// Both bases stand for the tag with this number; what is held is not pulled.
struct Rules {
    number: u32,
    is_held: bool,
}

#[async_trait]
impl BaseRules for Rules {
    async fn now(&self, base: &ImageRef) -> BaseNow {
        let name = base.with_tag(&format!("1.{}", self.number)).unwrap();
        BaseNow { name, held: self.is_held.then(|| "it moved yesterday".to_owned()) }
    }
}

/// The registry has these contents under that number, and under no other name.
fn publish(world: &World, number: u32) {
    let registry = &mut world.builder.state().registry;
    registry.remove(BASE);
    for name in ["docker.io/library/debian", "docker.io/library/side"] {
        registry.insert(format!("{name}:1.{number}"), sim_image(&format!("{name} {number}")));
    }
}

fn driver(world: &World, number: u32, is_held: bool) -> Driver {
    let driver = world.driver();
    let settings = Settings { bases: Some(Arc::new(Rules { number, is_held })), ..driver.settings };
    Driver { settings, ..driver }
}

async fn rolled() -> World {
    let world = World::new();
    *world.yaml.lock().unwrap() = following();
    publish(&world, 1);
    let came = world.roll_until_by(&driver(&world, 1, false), Change::Everything).await;
    assert!(matches!(came, CameTo::End(RunOutcome::Done)), "{came:?}");
    publish(&world, 2);
    world
}

#[tokio::test(start_paused = true)]
async fn a_tag_that_is_cooling_is_left_alone_by_images_and_by_services_that_run_it_as_it_is() {
    let world = rolled().await;
    let cycle = Change::Cycle { refresh: CycleRefresh::Never };
    let cooling = world.plan_by(&driver(&world, 2, true), &cycle).await.unwrap();
    assert!(cooling.does_nothing(), "{cooling:#?}");
    let cooled = world.plan_by(&driver(&world, 2, false), &cycle).await.unwrap();
    let rolls: Vec<_> = cooled.rolls.iter().map(|roll| roll.service.as_str()).collect();
    assert_eq!(rolls, ["api", "side", "web"]);
}

#[tokio::test(start_paused = true)]
async fn a_base_that_follows_tags_stays_what_it_was_where_no_registry_is_asked() {
    let world = rolled().await;
    let driver = world.driver();
    let offline = Driver { settings: Settings { offline: true, ..driver.settings }, ..driver };
    assert!(world.plan_by(&offline, &Change::Everything).await.unwrap().does_nothing());
    // The same where it is asked in vain.
    world.builder.state().registry.clear();
    assert!(world.plan_by(&self::driver(&world, 2, false), &Change::Everything).await.unwrap().does_nothing());
}

/// The labels by which OCI lets others find what an image stands on: the base of the stage that is built, whatever other stages reach for.
#[tokio::test(start_paused = true)]
async fn an_image_is_labelled_with_the_base_of_the_stage_that_is_built() {
    let world = World::new();
    world.builder.state().registry.insert("docker.io/library/alpine:3".to_owned(), sim_image("alpine"));
    world.dockerfile("tools", "FROM alpine:3 AS fetch\nRUN fetch\nFROM debian:12\nCOPY --from=fetch a b\n");
    world.dockerfile("api", "FROM alpine:3 AS builder\nRUN make\nFROM base\nCOPY --from=builder a b\n");
    world.dockerfile("web", "FROM scratch\nCOPY --from=alpine:3 a b\n");
    assert_eq!(world.roll(Change::Everything).await, RunOutcome::Done);
    let release = world.journal.latest_release().unwrap().unwrap();
    let state = world.builder.state();
    let image = |name: &str| &release.images[&name.parse::<ImageName>().unwrap()];
    let base = |name: &str| {
        let label = |what: &str| state.images[&image(name).id].labels.get(&format!("org.opencontainers.image.base.{what}")).cloned();
        (label("name"), label("digest"))
    };
    let debian = (Some(BASE.to_owned()), Some(sim_image("first").id.to_string()));
    assert_eq!((base("base"), base("tools")), (debian.clone(), debian));
    assert_eq!(base("api"), (Some(image("base").tag.to_string()), Some(image("base").id.to_string())), "its parent in the estate");
    assert_eq!(base("web"), (None, None), "it stands on nothing");
}
