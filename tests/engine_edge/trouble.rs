//! Engines that hang, hosts that are cut off, engines that are killed: silence within its limit, and everything works again afterwards.

use std::time::{Duration, Instant};

use refit::edge::docker::DockerEngine;
use refit::edge::{Engine, EngineError};
use refit::pipeline::Endpoint;
use refit::rollout::ContainerState;

use crate::{BASE, engine, found, hosts, new};

/// The limit of a look is 15 s; a busy machine gets some more.
const LOOK_LIMIT: Duration = Duration::from_secs(25);

/// Every call that a rollout waits for, all at the same time: which of them were not silent in time?
async fn not_silent(engine: &DockerEngine, image: &str) -> Vec<String> {
    let begun = Instant::now();
    let estate = "shop".parse().unwrap();
    let (web, id) = (new(image, "during"), image.parse().unwrap());
    let name: refit::model::ImageRef = "x:1".parse().unwrap();
    let (info, look, list, start, chains, seen, tag) = tokio::join!(
        engine.info(),
        engine.image(image),
        engine.image_ids(),
        engine.start_new(&web),
        engine.layer_chains(),
        engine.containers(&estate, None),
        engine.tag(id, &name),
    );
    let answers: [(&str, Result<(), EngineError>); 7] = [
        ("info", info.map(drop)),
        ("image", look.map(drop)),
        ("image_ids", list.map(drop)),
        ("start_new", start.map(drop)),
        ("layer_chains", chains.map(drop)),
        ("containers", seen.map(drop)),
        ("tag", tag),
    ];
    let elapsed = begun.elapsed();
    let late = (elapsed > LOOK_LIMIT).then(|| format!("took {elapsed:?}"));
    let odd = answers.into_iter().filter(|(_, answer)| !answer.as_ref().is_err_and(EngineError::is_silence));
    odd.map(|(call, answer)| format!("{call}: {answer:?}")).chain(late).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_host_is_silent_in_time_and_well_again_afterwards() {
    let Some(lab) = hosts(2).await else { return };
    let (hung, cut) = (lab.host(1), lab.host(2));
    let image = hung.import_base(BASE);
    // One that has talked before, and one that begins in the silence.
    let (known, fresh, cut_known, cut_fresh) = (engine(hung), engine(hung), engine(cut), engine(cut));
    let before = known.start_new(&new(&image, "before")).await.unwrap();
    cut_known.info().await.unwrap();

    hung.hang();
    cut.cut_off();
    let event = async {
        let begun = Instant::now();
        let answer = known.wait_for_event(&"shop".parse().unwrap(), Duration::from_secs(3)).await;
        (answer.is_ok() || answer.is_err_and(|error| error.is_silence())) && begun.elapsed() < LOOK_LIMIT
    };
    let (a, b, c, d, event) =
        tokio::join!(not_silent(&known, &image), not_silent(&fresh, &image), not_silent(&cut_known, &image), not_silent(&cut_fresh, &image), event);
    hung.unhang();
    cut.heal();
    assert!(event, "a wait for events is no longer than it was asked for");
    assert_eq!([a, b, c, d].concat(), Vec::<String>::new());

    for engine in [&cut_known, &cut_fresh] {
        engine.info().await.unwrap();
    }
    for engine in [&known, &fresh] {
        let after = engine.start_new(&new(&image, "before")).await.unwrap();
        assert_eq!(after, before);
    }
    // What was asked for in the silence may have been done after all: asking again makes it one, not two.
    known.start_new(&new(&image, "during")).await.unwrap();
    let names: Vec<_> = found(&known).await.into_iter().map(|one| one.version.spec).collect();
    assert_eq!(names.len(), 2, "{names:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_is_killed_and_started_again_goes_on() {
    let Some(lab) = hosts(1).await else { return };
    let host = lab.host(1);
    let image = host.import_base(BASE);
    let engine = engine(host);
    let id = engine.start_new(&new(&image, "one")).await.unwrap();

    let estate = "shop".parse().unwrap();
    let (killed, waited) = {
        let wait = engine.wait_for_event(&estate, Duration::from_secs(20));
        let kill = async { tokio::task::block_in_place(|| host.kill()) };
        let begun = Instant::now();
        let (waited, ()) = tokio::join!(wait, kill);
        (begun.elapsed(), waited)
    };
    assert!(waited.is_ok() || waited.is_err_and(|error| error.is_silence()));
    assert!(killed < Duration::from_secs(15), "a broken stream of events ends the wait: {killed:?}");
    let silent = engine.containers(&estate, None).await.unwrap_err();
    assert!(silent.is_silence(), "{silent}");
    assert!(silent.to_string().contains("Connection refused"), "{silent}");

    host.up();
    let all = found(&engine).await;
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].id, id);
    // Whether the engine brought it back is its own affair; asked for, it runs.
    assert_eq!(engine.start_new(&new(&image, "one")).await.unwrap(), id);
    assert!(matches!(found(&engine).await[0].state, ContainerState::Running { .. } | ContainerState::Restarting { .. }));
}

/// No engine at all: said at once, with what to do.
#[tokio::test]
async fn an_engine_that_is_not_there_is_silent_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("docker.sock");
    let engine = DockerEngine::new(Endpoint::Unix { path: socket.clone() }).unwrap();
    let silent = engine.info().await.unwrap_err();
    assert!(silent.is_silence() && silent.to_string().contains("No such file or directory"), "{silent}");
    let help = miette::Diagnostic::help(&silent).unwrap().to_string();
    assert!(help.contains(&format!("docker -H unix://{} version", socket.display())), "{help}");
}
