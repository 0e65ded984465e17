//! Everything may be done twice, and what was begun is finished.

use std::time::Duration;

use refit::edge::{Engine, EngineError};
use refit::rollout::ContainerState;

use crate::{BASE, engine, found, hosts, inspect, new};

const GRACE: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_twice_is_done_once() {
    let Some(lab) = hosts(1).await else { return };
    let host = lab.host(1);
    let image = host.import_base(BASE);
    let engine = engine(host);
    let web = new(&image, "one");

    // Several at the same moment, and once more: one container.
    let (a, b, c) = tokio::join!(engine.start_new(&web), engine.start_new(&web), engine.start_new(&web));
    let id = a.unwrap();
    assert_eq!([b.unwrap(), c.unwrap(), engine.start_new(&web).await.unwrap()], [id.as_str(); 3]);
    let all = found(&engine).await;
    assert_eq!(all.len(), 1, "{all:?}");
    let one = &all[0];
    assert_eq!((&one.id, &one.name, &one.slot, &one.version, one.run, one.image), (&id, &web.name(), &web.slot, &web.version, web.run, web.image));
    assert!(matches!(one.state, ContainerState::Running { restarts: 0, .. }), "{:?}", one.state);

    engine.start(&id).await.unwrap();
    for round in 0..2 {
        engine.stop(&id, GRACE).await.unwrap();
        let state = found(&engine).await[0].state.clone();
        assert!(matches!(state, ContainerState::Exited { .. }), "round {round}: {state:?}");
    }
    // Asked for again, the stopped one is the one that is wanted.
    assert_eq!(engine.start_new(&web).await.unwrap(), id);
    assert!(matches!(found(&engine).await[0].state, ContainerState::Running { .. }));

    // A running one is never removed.
    let refused = engine.remove(&id).await.unwrap_err();
    assert!(matches!(&refused, EngineError::Refused { what, .. } if what.contains(&id[..12])), "{refused}");
    engine.stop(&id, GRACE).await.unwrap();
    let (a, b) = tokio::join!(engine.remove(&id), engine.remove(&id));
    a.and(b).unwrap();
    engine.remove(&id).await.unwrap();
    engine.stop(&id, GRACE).await.unwrap();
    let gone = engine.start(&id).await.unwrap_err();
    assert!(matches!(&gone, EngineError::Missing { .. }), "{gone}");
    assert_eq!(found(&engine).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_half_made_container_is_finished_and_a_strangers_is_left_alone() {
    let Some(lab) = hosts(1).await else { return };
    let host = lab.host(1);
    let image = host.import_base(BASE);
    let engine = engine(host);

    // Created and never started: as after a crash between the two calls.
    let half = new(&image, "half");
    let id = engine.start_new(&half).await.unwrap();
    let labels = labels_of(host, &id);
    host.docker(&["rm", "-f", &id]).unwrap();
    let name = half.name();
    let mut words = vec!["create", "--name", &name];
    labels.iter().for_each(|label| words.extend(["--label", label]));
    let id = host.docker(&[words.as_slice(), &[BASE, "sleep", "1000"]].concat()).unwrap();
    assert_eq!(found(&engine).await[0].state, ContainerState::Created);
    assert_eq!(engine.start_new(&half).await.unwrap(), id);
    assert!(matches!(found(&engine).await[0].state, ContainerState::Running { .. }));

    // One that cannot start leaves nothing behind under its name, so that it can be tried again.
    let mut wrong = new(&image, "wrong");
    wrong.spec.init = None;
    wrong.spec.command = Some(vec!["no-such-command".into()]);
    let refused = engine.start_new(&wrong).await.unwrap_err();
    assert!(refused.to_string().contains("no-such-command"), "{refused}");
    assert_eq!(found(&engine).await.len(), 1);

    // Somebody else's container under the name.
    let mut taken = new(&image, "taken");
    taken.slot.index = 1;
    let stranger = host.docker(&["run", "-d", "--init", "--name", &taken.name(), BASE, "sleep", "1000"]).unwrap();
    let refused = engine.start_new(&taken).await.unwrap_err();
    let EngineError::Refused { what, why, .. } = &refused else { panic!("{refused:?}") };
    assert!(what.contains(&taken.name()) && why.contains(&stranger[..12]), "{refused}");
    assert_eq!(inspect(host, &stranger, "{{.State.Status}}"), "running");
}

/// One engine stands for two hosts: each has its own container for the same service, version and index.
#[tokio::test(flavor = "multi_thread")]
async fn hosts_that_share_an_engine_have_containers_of_their_own() {
    let Some(lab) = hosts(1).await else { return };
    let host = lab.host(1);
    let image = host.import_base(BASE);
    let engine = engine(host);
    let here = new(&image, "one");
    let mut there = here.clone();
    there.slot.host = "host-2".parse().unwrap();
    let (a, b) = (engine.start_new(&here).await.unwrap(), engine.start_new(&there).await.unwrap());
    assert_ne!(a, b);
    let hosts: Vec<_> = found(&engine).await.iter().map(|one| one.slot.host.to_string()).collect();
    assert_eq!(hosts, ["host-1", "host-2"]);
}

fn labels_of(host: &crate::lab::LabHost, id: &str) -> Vec<String> {
    let text = inspect(host, id, "{{range $key, $value := .Config.Labels}}{{$key}}={{$value}}\n{{end}}");
    text.lines().filter(|line| line.contains('=')).map(str::to_owned).collect()
}
