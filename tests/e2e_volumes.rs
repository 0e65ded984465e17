//! What containers hold goes the way that was asked for: files move on, volumes are copied and put back, and no two containers write one volume.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test")]

mod e2e;
mod lab;

use std::sync::Arc;
use std::time::Duration;

use e2e::{Container, Dice, Estate, side_by_side, until};
use lab::Lab;

#[tokio::test(flavor = "multi_thread", worker_threads = 6)]
async fn what_containers_hold_goes_the_way_that_was_asked_for() {
    let Some(lab) = e2e::lab(2).await else { return };
    side_by_side(vec![
        ("files move on", Box::pin(files_move_on(lab.clone()))),
        ("copied and put back", Box::pin(copied_and_put_back(lab.clone()))),
        ("killed while it copies", Box::pin(killed_while_it_copies(lab.clone()))),
        ("one writer", Box::pin(one_writer(lab.clone()))),
    ])
    .await;
}

fn image(version: &str) -> String {
    format!("FROM BASE\nRUN echo {version} > /www/version && mkdir -p /srv/app && echo seed > /srv/app/seed\nCMD [\"sleep\", \"9999\"]\n")
}

fn keeper(more: &str) -> String {
    format!(
        "images:\n  keeper: {{ build: images/keeper }}\nservices:\n  keeper:\n    image: keeper\n    init: true\n    stop_grace_period: 1s\n    \
         network_mode: none\n    healthcheck: {{ command: [\"test\", \"-e\", \"/www/version\"], interval: 200ms }}\n    \
         deploy: {{ hosts: \"pool=all\", update_config: {{ monitor: 300ms }} }}\n{more}"
    )
}

fn rewrite(estate: &Estate, text: &str) {
    estate.write("images/keeper/Dockerfile", &text.replace("BASE", &estate.base()));
}

fn run_in(estate: &Estate, container: &Container, command: &str) -> String {
    estate.host(container.host).docker(&["exec", &container.id, "sh", "-c", command]).unwrap()
}

fn rolled(lab: &Arc<Lab>, name: &str, pipeline: &str) -> (Estate, Vec<Container>) {
    let estate = Estate::new(lab, name, pipeline, &[("keeper", &image("one"))]);
    estate.patch_base("one", "");
    estate.refit(&["rollout"]).expect_code(0);
    let containers = estate.expect_exactly(&[("keeper", 2, 1)]);
    (estate, containers)
}

/// Names, kinds, owners, modes, links and contents below some paths.
fn look(estate: &Estate, container: &Container, paths: &str) -> String {
    run_in(
        estate,
        container,
        &format!("find {paths} | sort | while read f; do stat -c '%n %F %u %g %a %h %N' \"$f\"; test -f \"$f\" && cat \"$f\"; done"),
    )
}

/// With `data: adopt` files, folders, links, owners and modes move on, from replacement to replacement, on the way forward and back by a person's hand.
async fn files_move_on(lab: Arc<Lab>) {
    let adopts = "    volumes: [\"/cache\"]\n    data: adopt\n";
    let (estate, before) = rolled(&lab, "adopts", &keeper(adopts).replace("monitor: 300ms", "monitor: 300ms, order: start-first"));
    let long = "a-folder-with-a-rather-long-name/".repeat(8);
    for one in &before {
        let write = "mkdir -p /srv/new/deep /srv/empty && echo secret > /srv/new/deep/key && chmod 600 /srv/new/deep/key && chown 7:9 /srv/new/deep/key && \
                     chmod 2750 /srv/new && ln -s ../app/seed /srv/new/soft && echo one > /srv/new/hard-1 && ln /srv/new/hard-1 /srv/new/hard-2 && \
                     echo more >> /srv/app/seed && echo mine > '/srv/app/a name with blanks' && rm /www/version.old; touch /tmp/harmless; echo v > /cache/kept";
        run_in(&estate, one, write);
        run_in(&estate, one, &format!("mkdir -p /srv/new/{long} && echo far > /srv/new/{long}file"));
    }
    let paths = "/srv/new /srv/empty /srv/app";
    let expected: Vec<String> = before.iter().map(|one| look(&estate, one, paths)).collect();
    assert!(expected[0].contains("/srv/new/hard-2") && expected[0].contains("'../app/seed'"), "{}", expected[0]);
    for (version, release) in [("two", 2), ("three", 3)] {
        rewrite(&estate, &image(version));
        let told = estate.refit(&["rollout"]).expect_code(0).expect_said("taken over");
        assert!(told.err.contains("stop-first"), "it says why it does not go start-first: {}", told.err);
        let after = estate.expect_exactly(&[("keeper", 2, 1)]);
        for (one, expected) in after.iter().zip(&expected) {
            assert_eq!((one.release, estate.read_in(one, "/www/version"), estate.read_in(one, "/cache/kept")), (release, version.into(), "v".into()));
            assert_eq!(look(&estate, one, paths), *expected);
            assert!(estate.host(one.host).docker(&["exec", &one.id, "test", "-e", "/tmp/harmless"]).is_err(), "harmless files stay behind");
        }
    }
    estate.refit(&["rollback"]).expect_code(0);
    let back = estate.expect_exactly(&[("keeper", 2, 1)]);
    back.iter().zip(&expected).for_each(|(one, expected)| assert_eq!(look(&estate, one, paths), *expected));

    // A deletion is told, and the file is there again; too much is refused before anything is touched, with the number.
    run_in(&estate, &back[0], "rm /srv/app/seed");
    run_in(&estate, &back[1], "dd if=/dev/zero of=/srv/new/big bs=1k count=300 2>/dev/null");
    estate.pipeline(&keeper("    volumes: [\"/cache\"]\n    data: { on_loss: adopt, adopt_max: 100k }\n"));
    rewrite(&estate, &image("four"));
    estate.refit(&["rollout"]).expect_code(1).expect_said("keeper@b/0").expect_said("more than 102400 bytes");
    assert_eq!(estate.expect_exactly(&[("keeper", 2, 1)]), back, "not even restarted");
    estate.pipeline(&keeper("    volumes: [\"/cache\"]\n    data: { on_loss: adopt, adopt_max: 1m }\n"));
    estate.refit(&["rollout"]).expect_code(0).expect_said("deleted before and there again: /srv/app/seed");
    let after = estate.expect_exactly(&[("keeper", 2, 1)]);
    after.iter().for_each(|one| assert_eq!(estate.read_in(one, "/www/version"), "four"));
    assert_eq!(run_in(&estate, &after[1], "wc -c < /srv/new/big").trim(), "307200");

    // What something is mounted over would be lost all the same. A new container that fails leaves the old one with all that it had.
    estate.pipeline(&(keeper("    volumes: [\"/cache\", \"named:/srv/new\"]\n    data: adopt\n") + "volumes: { named: }\n"));
    estate.refit(&["rollout"]).expect_code(1).expect_said("mounts something over").expect_said("/srv/new/deep/key");
    estate.pipeline(&keeper("    volumes: [\"/cache\"]\n    data: adopt\n"));
    rewrite(&estate, &image("five").replace("sleep\", \"9999", "false"));
    estate.refit(&["rollout"]).expect_code(1);
    let same = estate.expect_exactly(&[("keeper", 2, 1)]);
    assert_eq!(same.iter().map(|one| &one.id).collect::<Vec<_>>(), after.iter().map(|one| &one.id).collect::<Vec<_>>());
    assert_eq!(run_in(&estate, &same[1], "cat /srv/new/hard-2"), "one");
}

const SNAPSHOT: &str = "    volumes: [\"orders:/orders\", \"orders:/read:ro\"]\n    data: { snapshot: before }\nvolumes: { orders: }\n";

fn volume_names(estate: &Estate, host: usize) -> Vec<String> {
    let listed = estate.host(host).docker(&["volume", "ls", "-q", "--filter", &format!("name={}_", estate.name)]).unwrap();
    listed.lines().map(str::to_owned).collect()
}

/// Before each replacement the volume is copied; a rollback with its data puts the copy back, and what was there by then is kept as well.
async fn copied_and_put_back(lab: Arc<Lab>) {
    let (estate, one) = rolled(&lab, "copies", &keeper(SNAPSHOT));
    let paths = "/orders";
    for container in &one {
        let write = "mkdir -p /orders/2026 && echo first > /orders/2026/a && chown 3:4 /orders/2026/a && chmod 640 /orders/2026/a && \
                     ln -s 2026/a /orders/latest && ln /orders/2026/a /orders/again && chmod 751 /orders && chown 5:6 /orders";
        run_in(&estate, container, write);
    }
    let then: Vec<String> = one.iter().map(|container| look(&estate, container, paths)).collect();
    rewrite(&estate, &image("two"));
    estate.refit(&["rollout"]).expect_code(0).expect_said("copies_orders copied to copies_orders.before-run-2").expect_said("docker volume rm");
    let two = estate.expect_exactly(&[("keeper", 2, 1)]);
    for container in &two {
        run_in(
            &estate,
            container,
            "rm -r /orders/2026 /orders/latest; echo second > /orders/again; mkdir -p /orders/more/deep; echo new > /orders/more/deep/b",
        );
    }
    let now: Vec<String> = two.iter().map(|container| look(&estate, container, paths)).collect();

    // Without the data it goes back with what there is now; with it, to what it was.
    estate.refit(&["rollback"]).expect_code(0);
    let back = estate.expect_exactly(&[("keeper", 2, 1)]);
    back.iter().zip(&now).for_each(|(container, now)| assert_eq!(look(&estate, container, paths), *now));
    estate.refit(&["rollout", "--release", "r2"]).expect_code(0);
    estate.refit(&["rollback", "--with-data", "--to", "r1"]).expect_code(0);
    let back = estate.expect_exactly(&[("keeper", 2, 1)]);
    // The newest copy from when it was on r1 is the one that was made before the last rollout to r2.
    back.iter().zip(&now).for_each(|(container, now)| assert_eq!(look(&estate, container, paths), *now, "{container:?}"));
    let kept = volume_names(&estate, 1);
    assert_eq!(
        kept,
        ["copies_orders", "copies_orders.before-run-2", "copies_orders.before-run-3", "copies_orders.before-run-4", "copies_orders.before-run-5"]
    );
    let first = &estate
        .host(1)
        .docker(&[
            "run",
            "--rm",
            "--network",
            "none",
            "-v",
            "copies_orders.before-run-2:/orders",
            &back[0].image,
            "sh",
            "-c",
            "find /orders | sort | while read f; do stat -c '%n %F %u %g %a %h %N' \"$f\"; test -f \"$f\" && cat \"$f\"; done",
        ])
        .unwrap();
    assert_eq!(*first, then[0], "the first copy is what the volume was then, to the last mode");

    // From then on again: what was there before is put back exactly, although other files are there by now, and is itself to be had.
    run_in(&estate, &back[0], "echo third > /orders/third");
    rewrite(&estate, &image("three"));
    estate.refit(&["rollout"]).expect_code(0);
    let three = estate.expect_exactly(&[("keeper", 2, 1)]);
    run_in(&estate, &three[0], "rm -r /orders/more /orders/third; echo fourth > /orders/fourth");
    estate.refit(&["rollback", "--with-data", "--to", "r1"]).expect_code(0).expect_said("copies_orders.before-run-6 copied to copies_orders");
    let back = estate.expect_exactly(&[("keeper", 2, 1)]);
    assert_eq!((estate.read_in(&back[0], "/orders/third"), estate.read_in(&back[0], "/orders/more/deep/b")), ("third".into(), "new".into()));
    assert!(estate.host(1).docker(&["exec", &back[0].id, "test", "-e", "/orders/fourth"]).is_err());

    // A rollback whose old version does not come up goes back itself, and brings along the data that it had put away.
    rewrite(&estate, &image("four"));
    estate.refit(&["rollout"]).expect_code(0);
    let four = estate.expect_exactly(&[("keeper", 2, 1)]);
    run_in(&estate, &four[0], "echo precious > /orders/precious");
    let person = estate.host(2).docker(&["run", "-d", "--network", "none", "-v", "copies_orders:/mine", &four[1].image, "sleep", "9999"]).unwrap();
    estate.refit(&["rollback", "--with-data", "--to", "r1"]).expect_code(1).expect_said("runs and writes volume copies_orders");
    estate.host(2).docker(&["rm", "-f", &person]).unwrap();
    let same = estate.expect_exactly(&[("keeper", 2, 1)]);
    assert_eq!(same.iter().map(|one| &one.id).collect::<Vec<_>>(), four.iter().map(|one| &one.id).collect::<Vec<_>>());
    assert_eq!(estate.read_in(&same[0], "/orders/precious"), "precious");
    // Volumes are never removed, by a prune neither.
    let kept = volume_names(&estate, 1);
    estate.refit(&["prune", "--yes", "--keep", "1"]).expect_code(0);
    assert_eq!(volume_names(&estate, 1), kept);
    estate.host(1).docker(&["volume", "rm", "copies_orders.before-run-2"]).unwrap();
}

/// However often refit is killed while it copies, the copy that counts is whole, and no helper is left over.
async fn killed_while_it_copies(lab: Arc<Lab>) {
    let (estate, one) = rolled(&lab, "killed", &keeper(SNAPSHOT));
    for container in &one {
        run_in(&estate, container, "for n in $(seq 1 300); do dd if=/dev/urandom of=/orders/$n bs=1k count=100 2>/dev/null; done");
    }
    let sum = |container: &Container| run_in(&estate, container, "cat $(ls /orders/* | sort) | md5sum");
    let then: Vec<String> = one.iter().map(sum).collect();
    let mut dice = Dice(u64::from(e2e::rand_u32()) | 1);
    rewrite(&estate, &image("two"));
    let mut killed = 0;
    let mut args: &[&str] = &["rollout"];
    while killed < 4 && killed_once(&estate, args, "copying volume", dice.below(1500)).await {
        killed += 1;
        args = &["resume"];
    }
    assert!(killed > 0, "it ended before it could be killed");
    go_on(&estate);
    let two = estate.expect_exactly(&[("keeper", 2, 1)]);
    assert_eq!(two.iter().map(sum).collect::<Vec<_>>(), then);
    two.iter().for_each(|container| drop(run_in(&estate, container, "rm /orders/*; echo after > /orders/after")));
    assert!(killed_once(&estate, &["rollback", "--with-data"], "before-run-2 to killed_orders", dice.below(1000)).await, "it was to be killed");
    go_on(&estate);
    let back = estate.expect_exactly(&[("keeper", 2, 1)]);
    assert_eq!(back.iter().map(sum).collect::<Vec<_>>(), then);
    back.iter().for_each(|container| assert_eq!(estate.read_in(container, "/www/version"), "one"));
    estate.refit(&["history", "--verify"]).expect_code(0).expect_said("unbroken");
}

/// Kills a command some time after it says something; false if it ended before.
async fn killed_once(estate: &Estate, args: &[&str], says: &str, after_ms: u64) -> bool {
    let mut running = estate.begin(args);
    until("it to copy, or to end", || running.err_so_far().contains(says) || running.has_ended()).await;
    tokio::time::sleep(Duration::from_millis(after_ms)).await;
    let is_over = running.has_ended();
    running.kill();
    !is_over
}

fn go_on(estate: &Estate) {
    if estate.refit(&["status"]).err.contains("has not ended") {
        estate.refit(&["resume"]).expect_code(0);
    }
}

/// Whatever order was asked for and however the rollout ends, two containers never run with one volume that only one may write.
async fn one_writer(lab: Arc<Lab>) {
    let with = |policy: &str| {
        let pipeline = keeper("    volumes: [\"ledger:/ledger\"]\nvolumes: { ledger: }\n");
        pipeline.replace("monitor: 300ms", &format!("monitor: 300ms, {policy}"))
    };
    let (estate, first) = rolled(&lab, "ledger", &with("order: start-first"));
    let mut level = 0;
    for policy in ["order: stop-first", "order: start-first", "order: start-first, parallelism: 0", "order: stop-first, parallelism: 2, delay: 100ms"]
    {
        for broken in [false, true] {
            level += 1;
            estate.pipeline(&with(policy));
            let text = image(&level.to_string());
            rewrite(&estate, &if broken { text.replace("sleep\", \"9999", "false") } else { text });
            let mut running = estate.begin(&["rollout"]);
            let mut most = 0;
            while !running.has_ended() {
                most = most.max(writers(&estate, 1)).max(writers(&estate, 2));
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            running.end().expect_code(i32::from(broken));
            assert_eq!(most, 1, "{policy}, {broken}");
            estate.expect_exactly(&[("keeper", 2, 1)]);
        }
    }
    // A person's own container on the volume is not joined: the slot fails, and the old container serves again once it may.
    let person = estate.host(2).docker(&["run", "-d", "--network", "none", "-v", "ledger_ledger:/mine", &first[1].image, "sleep", "9999"]).unwrap();
    rewrite(&estate, &image("last"));
    estate.refit(&["rollout"]).expect_code(1).expect_said("runs and writes volume ledger_ledger");
    estate.host(2).docker(&["rm", "-f", &person]).unwrap();
    estate.expect_exactly(&[("keeper", 2, 1)]);
    let reader =
        estate.host(2).docker(&["run", "-d", "--network", "none", "-v", "ledger_ledger:/mine:ro", &first[1].image, "sleep", "9999"]).unwrap();
    estate.refit(&["rollout", "--image", "keeper"]).expect_code(0);
    estate.host(2).docker(&["rm", "-f", &reader]).unwrap();
    until("the last version to run", || estate.of("keeper").iter().all(|one| one.is_running)).await;
    // Two services that write one volume of one host are refused before anything is done, unless both say that they may.
    let two = |may: &str| {
        with("order: stop-first").replace("volumes: { ledger: }\n", "")
            + &format!(
                "{may}  other:\n    image: keeper\n    network_mode: none\n    init: true\n    stop_grace_period: 1s\n    volumes: [\"ledger:/ledger\"]\n"
            )
            + &format!("    deploy: {{ hosts: \"pool=all\", update_config: {{ monitor: 300ms }} }}\n{may}volumes: {{ ledger: }}\n")
    };
    estate.pipeline(&two(""));
    estate.refit(&["rollout"]).expect_code(2).expect_said("is written by service `keeper` too");
    estate.pipeline(&two("    concurrent: true\n"));
    estate.refit(&["rollout"]).expect_code(0);
    estate.expect_exactly(&[("keeper", 2, 1), ("other", 2, 1)]);
}

/// So many running containers have the volume mounted, on one host.
fn writers(estate: &Estate, host: usize) -> usize {
    estate.host(host).docker(&["ps", "-q", "--filter", "volume=ledger_ledger"]).unwrap().lines().count()
}
