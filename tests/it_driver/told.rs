//! What people read of a run, word for word: the same world tells the same story every time.

use refit::plan::Change;
use refit::report::{Detail, lines};
use refit::sim::Fate;
use std::time::Duration;

use crate::world::World;

#[tokio::test(start_paused = true)]
async fn a_bad_patch_is_told() {
    let world = World::rolled().await;
    world.patch("bad");
    world.fate(2, Some("h2"), Fate::Exits(Duration::from_millis(300), 3));
    let _ = world.roll(Change::Everything).await;
    let told = |detail| world.events(2).iter().flat_map(|event| lines(event, detail)).collect::<Vec<_>>().join("\n");
    insta::assert_snapshot!("watched", told(Detail::Watch));
    insta::assert_snapshot!("all", told(Detail::All));
}
