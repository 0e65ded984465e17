//! Images that name a platform, on a builder for linux/amd64.

use refit::driver::DriverError;
use refit::plan::Change;
use refit::run::RunOutcome;
use refit::sim::sim_image;

use crate::world::World;

fn world(image: &str, platform: &str) -> World {
    let world = World::new();
    let named = format!("{image}: {{ build: {{ context: images/{image}, platforms: [{platform}] }} }}");
    let yaml = world.yaml.lock().unwrap().replace(&format!("{image}: {{ build: images/{image} }}"), &named);
    assert!(yaml.contains(&named));
    *world.yaml.lock().unwrap() = yaml;
    world
}

/// `FROM fetch-$TARGETARCH` and the like mean what they mean to BuildKit, both when the plan is made and when the Dockerfile is pinned.
#[tokio::test(start_paused = true)]
async fn a_dockerfile_is_read_for_the_platform_that_its_image_names() {
    let world = world("tools", "linux/aarch64");
    world.builder.state().registry.insert("docker.io/library/fetch:arm64".to_owned(), sim_image("fetch"));
    world.dockerfile("tools", "FROM fetch:$TARGETARCH AS fetch\nFROM scratch\nCOPY --from=fetch a b\n");
    assert_eq!(world.roll(Change::Everything).await, RunOutcome::Done);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_built_for_another_platform_is_refused_before_anything_is_done() {
    let other = world("tools", "linux/arm64");
    other.dockerfile("tools", "FROM debian:12\n");
    let Err(DriverError::Wrong { findings }) = other.plan_by(&other.driver(), &Change::Everything).await else { panic!("it was planned") };
    let told: Vec<&str> = findings.iter().map(|finding| finding.message.as_str()).collect();
    assert_eq!(told, ["tools is to be for linux/arm64, and builder local is for linux/amd64: it pulls bases for its own platform alone"]);
    // The builder's own platform, however it is spelled, is no other one.
    for own in ["linux/amd64", "linux/x86_64", "amd64"] {
        let same = world("tools", own);
        same.dockerfile("tools", "FROM debian:12\n");
        assert_eq!(same.roll(Change::Everything).await, RunOutcome::Done, "{own}");
    }
}
