//! What the table says after a slot's story.

use rusqlite::Row;

use super::book::version;
use super::*;

/// Tells a story about one slot, a second for each word, and says what stays there are: `1 c1 2-5, 2 ? 4-`.
///
/// `to2` and `to2<1` begin rollouts, `to2!<1` one that leads back from its beginning; `?c1` means to take a container's place; `+` makes and starts what the rollout leads to, `+c1` in the place of a container; `^c1`, `-c1` start again and
/// end one; `ok` and `empty` prove the slot; `sick` and `exit` fail it; `back` turns.
fn check(story: &str, expected: &str) {
    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch(DERIVED).unwrap();
    let slot = SlotId { service: "web".parse().unwrap(), host: "h".parse().unwrap(), index: 0 };
    let version = |number: &str| Goal { release: ReleaseNumber(number.parse().unwrap()), spec: Digest::of(number.as_bytes()) };
    let (mut to, mut back, mut is_back) = (version("0"), None, false);
    for (second, word) in story.split_whitespace().enumerate() {
        let position = second as u64 + 1;
        let now = Moment { at: Timestamp::from_second(position.cast_signed()).unwrap(), position };
        if let Some(ends) = word.strip_prefix("to") {
            let (target, origin) = ends.split_once('<').map_or((ends, None), |(target, origin)| (target, Some(origin)));
            (to, back, is_back) = (version(target.trim_end_matches('!')), origin.map(version), target.ends_with('!'));
            rollout(&connection, &Rolling { service: slot.service.clone(), to: to.clone(), back: back.clone(), is_back }, position).unwrap();
            continue;
        }
        let slot = slot.clone();
        let (sign, container) = word.split_at(1);
        let fact = match (word, sign) {
            ("ok", _) => StayFact::Proven { slot },
            ("empty", _) => StayFact::Emptied { slot },
            ("sick" | "exit", _) => StayFact::Failed { slot, failure: if word == "exit" { Failure::Ended } else { Failure::Unwell } },
            ("back", _) => {
                is_back = true;
                StayFact::Turned { service: slot.service, is_back }
            }
            (_, "+") => {
                let goal = if is_back { back.clone().unwrap() } else { to.clone() };
                StayFact::Started { slot, goal, takes_over: (!container.is_empty()).then(|| container.to_owned()), made: None }
            }
            (_, "=") => StayFact::Started { slot, goal: to.clone(), takes_over: None, made: Some(container.to_owned()) },
            (_, "?") => StayFact::Intended { slot, goal: to.clone(), takes_over: container.to_owned() },
            (_, "^") => StayFact::StartedAgain { slot, container: container.to_owned() },
            _ => StayFact::Ended { slot, container: container.to_owned() },
        };
        apply(&connection, &fact, now).unwrap();
    }
    assert_eq!(told(&connection), expected, "{story}");
}

fn told(connection: &Connection) -> String {
    let mut statement = connection.prepare("SELECT release, container, since, until FROM stays ORDER BY began").unwrap();
    let stay = |row: &Row<'_>| {
        let (release, container): (i64, Option<String>) = (row.get(0)?, row.get(1)?);
        let (since, until): (i64, Option<i64>) = (row.get(2)?, row.get(3)?);
        let until = until.map_or_else(String::new, |until| (until / 1_000_000).to_string());
        Ok(format!("{release} {} {}-{until}", container.as_deref().unwrap_or("?"), since / 1_000_000))
    };
    statement.query_map([], stay).unwrap().collect::<rusqlite::Result<Vec<_>>>().unwrap().join(", ")
}

#[test]
fn a_container_stays_from_its_start_to_its_end() {
    check("to1 + ok", "1 ? 2-");
    // Stop-first, and start-first: the old one is named by the action that ends it, or by the one that takes its place.
    check("to1 + ok to2<1 -c1 +c1 ok -c1", "1 c1 2-5, 2 ? 6-");
    check("to1 + ok to2<1 +c1 -c1 ok -c1", "1 c1 2-6, 2 ? 5-");
    check("to1 + ok to2<1 +c1 -c1 ok -c1 to3<2 +c2 -c2 ok", "1 c1 2-6, 2 c2 5-11, 3 ? 10-");
}

#[test]
fn a_container_is_known_by_its_id_from_the_moment_at_which_it_was_made() {
    check("to1 =c1 ok", "1 c1 2-");
    check("to1 =c1 =c1 ok", "1 c1 2-");
    check("to1 =c1 ok to2<1 =c2 -c1 ok", "1 c1 2-6, 2 c2 5-");
}

#[test]
fn what_is_said_twice_is_so_once() {
    check("to1 + ok ok ok", "1 ? 2-");
    check("to1 + ok to2<1 -c1 -c1 +c1 ok", "1 c1 2-5, 2 ? 7-");
    check("to1 + ^c1 ^c1 ok", "1 c1 2-");
}

#[test]
fn a_rollout_that_turns_leaves_what_was_there_before() {
    // Stop-first: the old one is started again.
    check("to1 + ok to2<1 -c1 +c1 sick back -c2 ^c1 ok -c2", "1 c1 2-5, 2 c2 6-9, 1 c1 10-");
    // Start-first: it never stopped.
    check("to1 + ok to2<1 +c1 sick back -c2 ok -c2", "1 c1 2-, 2 c2 5-8");
    // One that ended by itself is only removed.
    check("to1 + ok to2<1 +c1 exit back ok -c2", "1 c1 2-, 2 ? 5-6");
    // A rollout that leads back from its beginning.
    check("to1 + ok to2<1 +c1 -c1 ok to2!<1 +c2 -c2 ok to3<1 +c3 -c3 ok", "1 c1 2-6, 2 c2 5-10, 1 c3 9-14, 3 ? 13-");
    // Where nothing was before, nothing is again.
    check("to1 + sick back -c1 ok -c1", "1 c1 2-5");
    // The old one is gone, and is made anew.
    check("to1 + ok to2<1 -c1 +c1 sick back -c2 + ok", "1 c1 2-5, 2 c2 6-9, 1 ? 10-");
}

#[test]
fn what_runs_is_known_however_many_rollouts_have_failed_beside_it() {
    // Start-first: each newcomer has failed and is gone again, and the old one has served all the while.
    let failure = |number: usize| format!("to{number}<1 =f{number} sick back -f{number} ok");
    let failures: Vec<String> = (2..19).map(failure).collect();
    let gone = |number: usize| format!("{number} f{number} {}-{}", 6 * number - 7, 6 * number - 4);
    let stays: Vec<String> = (2..19).map(gone).collect();
    let (failures, stays) = (failures.join(" "), stays.join(", "));
    check(&format!("to1 =c1 ok {failures}"), &format!("1 c1 2-, {stays}"));
    // And it ends when it is replaced at last.
    check(&format!("to1 =c1 ok {failures} to19<1 =c19 -c1 ok"), &format!("1 c1 2-108, {stays}, 19 c19 107-"));
}

#[test]
fn a_slot_that_is_emptied_runs_nothing_until_it_is_started_again() {
    check("to1 + ok to1<1 -c1 empty", "1 c1 2-5");
    check("to1 + ok to1<1 -c1 empty to1<1 ^c1 ok", "1 c1 2-5, 1 c1 8-");
    check("to1 + ok to1<1 empty", "1 ? 2-5");
}

#[test]
fn what_refit_did_not_see_is_put_right_by_the_proof() {
    // refit died before it could say that the new one was started, or the old one stopped.
    check("to1 + ok to2<1 -c1 ok", "1 c1 2-5, 2 ? 6-");
    check("to1 + ok to2<1 +c1 ok", "1 c1 2-6, 2 ? 5-");
    check("to1 + ok to2<1 ?c1 exit back -c2 ok", "1 c1 2-, 2 ? 6-6");
    check("to1 + ok to2<1 ?c1 sick back -c2 ok", "1 c1 2-, 2 c2 6-8");
    // The journal began when the container was there already.
    check("to1 ok", "1 ? 2-");
    check("to1 ok to2<1 +c1 -c1 ok", "1 c1 2-5, 2 ? 4-");
    // Somebody removed it behind refit's back.
    check("to1 + ok to1<1 + ok", "1 ? 2-5, 1 ? 5-");
}

#[test]
fn a_container_that_refit_knows_nothing_of_takes_no_stay_with_it() {
    check("to1 +x -x ok -x", "1 ? 2-");
    check("to1 +x ok -x to2<1 -c1 +c1 ok", "1 c1 2-6, 2 ? 7-");
    check("-x ^x", "");
    // In a slot that no longer is to be there, all goes.
    check("to1 + ok to1<1 -c1 -c1", "1 c1 2-5");
}

#[test]
fn the_image_of_a_version_is_that_of_the_release_that_told_of_it_first() {
    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch(DERIVED).unwrap();
    let service: ServiceName = "web".parse().unwrap();
    let kept = |spec: &str, name: &str| VersionKept {
        service: service.clone(),
        spec: Digest::of(spec.as_bytes()),
        image: Digest::of(name.as_bytes()),
        name: name.into(),
        tag: None,
    };
    // A stay may come first: its release may be told of later.
    let number = version(&connection, &service, Digest::of(b"a")).unwrap();
    release(&connection, &[kept("a", "one"), kept("b", "two")]).unwrap();
    release(&connection, &[kept("a", "other")]).unwrap();
    let name = |id: i64| connection.query_row("SELECT name FROM versions WHERE id = ?1", [id], |row| row.get::<_, String>(0)).unwrap();
    assert_eq!((name(number), version(&connection, &service, Digest::of(b"a")).unwrap()), ("one".into(), number));
}
