//! What the schedule promises, whatever order builds end in.

use proptest::prelude::*;

use super::*;
use crate::plan::Change;
use crate::plan::samples::{Sample, base, digest, name};

fn built(image: &ImageName, inputs: Digest, how: &str) -> BuildOutcome {
    BuildOutcome::Built { id: digest(how), tag: format!("{image}:{}", &inputs.hex()[..12]).parse().unwrap(), inputs }
}

fn outcome(start: &Start, how: impl Fn(&ImageName) -> Option<Digest>) -> BuildOutcome {
    let tag = "x:1".parse().unwrap();
    match start.clone() {
        Start::Build { image, inputs, .. } => match how(&image) {
            Some(id) => BuildOutcome::Built { id, tag, inputs },
            None => BuildOutcome::Failed { why: "exit code 1".into(), last_lines: vec![] },
        },
        Start::Reuse { id, inputs, .. } => BuildOutcome::Reused { id, tag, inputs },
        Start::Keep { id, inputs, .. } => BuildOutcome::Unchanged { id, tag, inputs },
        Start::Skip { because, .. } => BuildOutcome::Skipped { because },
    }
}

fn released(sample: &Sample) -> BTreeMap<ImageName, Released> {
    let of = |facts: &crate::plan::ImageFacts| facts.last.as_ref().map(|last| (last.released.id, last.released.inputs, last.present));
    let images = sample.images.iter().filter_map(|(name, facts)| Some((name.clone(), of(facts)?)));
    images.map(|(name, (id, inputs, present))| (name, Released { id, inputs, present })).collect()
}

/// All turns that can come now.
fn turns(schedule: &mut Schedule<'_>) -> Vec<ImageName> {
    std::iter::from_fn(|| schedule.turn()).collect()
}

/// Runs a plan to its end, one result at a time; says what was started, in order.
fn run(sample: &Sample, change: Change, how: impl Fn(&ImageName) -> Option<Digest>) -> String {
    let plan = sample.plan(change).unwrap();
    let released = released(sample);
    let mut schedule = Schedule::new(&plan, 2, &released, &sample.builds);
    let mut said = Vec::new();
    let mut running = std::collections::VecDeque::new();
    loop {
        for start in schedule.start() {
            let word = match &start {
                Start::Build { .. } => "",
                Start::Reuse { .. } => "=",
                Start::Keep { .. } => "~",
                Start::Skip { .. } => "!",
            };
            said.push(format!("{word}{}", start.image()));
            running.push_back(start);
        }
        turns(&mut schedule);
        let Some(start) = running.pop_front() else { break };
        schedule.ended(start.image(), &outcome(&start, &how));
    }
    assert!(schedule.is_over());
    said.join(" ")
}

fn new_id(image: &ImageName) -> Option<Digest> {
    Some(digest(&format!("{image}-new")))
}

#[test]
fn an_image_starts_when_its_own_parents_are_ready() {
    let mut sample = Sample::built("base: debian, web: base, api: base, shop: web");
    sample.move_base("debian");
    assert_eq!(run(&sample, base("debian"), new_id), "base web api shop");
    sample.facts("api").took = Some(Duration::from_secs(60));
    assert_eq!(run(&sample, base("debian"), new_id), "base api web shop");
}

#[test]
fn what_comes_out_as_it_was_leaves_its_dependents_alone() {
    let mut sample = Sample::built("base: debian, web: base, shop: web alpine+");
    sample.move_base("debian");
    let as_before = |image: &ImageName| Some(digest(&format!("{image}-id")));
    assert_eq!(run(&sample, base("debian"), as_before), "base ~web ~shop");
    // Another reason remains a reason.
    sample.move_base("alpine");
    assert_eq!(run(&sample, Change::Everything, as_before), "base ~web shop");
    // What is kept must be there for those built on it.
    sample.last("web").present = false;
    sample.builds.clear();
    assert_eq!(run(&sample, Change::Everything, as_before), "base web shop");
}

#[test]
fn a_failure_skips_its_dependents_and_nothing_else() {
    let mut sample = Sample::built("base: debian, web: base, api: base, shop: web, all: shop api+");
    sample.move_base("debian");
    let fails = |image: &ImageName| if image.as_str() == "web" { None } else { new_id(image) };
    assert_eq!(run(&sample, base("debian"), fails), "base web api !shop !all");
}

#[test]
fn a_result_from_the_journal_is_not_done_again() {
    let mut sample = Sample::built("base: debian, web: base");
    sample.move_base("debian");
    let plan = sample.plan(base("debian")).unwrap();
    let released = released(&sample);
    let mut schedule = Schedule::new(&plan, 1, &released, &sample.builds);
    let outcome = built(&name("base"), digest("inputs"), "base-new");
    for _ in 0..2 {
        schedule.ended(&name("base"), &outcome);
    }
    assert_eq!(schedule.count(), (1, 2));
    assert_eq!(schedule.left(|_| Duration::ZERO), Duration::from_secs(1));
    assert!(matches!(&schedule.start()[..], [Start::Build { image, .. }] if image.as_str() == "web"));
    assert_eq!(turns(&mut schedule), [name("web")]);
    assert_eq!(schedule.left(|_| Duration::from_millis(400)), Duration::from_millis(600));
    assert_eq!(schedule.left(|_| Duration::from_secs(9)), Duration::ZERO);
}

proptest! {
    /// Any DAG, any failures, any order of results: parents first, never more than the limit whose turn has come and as many that get ready, exactly
    /// the descendants of a failure skipped (invariant 6).
    #[test]
    fn the_schedule_keeps_its_promises(
        rows in prop::collection::vec(prop::collection::vec(0_usize..20, 1..4), 1..20),
        fails in prop::collection::btree_set(0_usize..20, 0..4),
        picks in prop::collection::vec(any::<prop::sample::Index>(), 20),
        parallel in 1_usize..5,
    ) {
        let parents = |at: usize| rows[at].iter().map(move |to| if at == 0 { "debian".to_owned() } else { format!("i{}", to % at) }).collect::<Vec<_>>();
        let text: Vec<_> = (0..rows.len()).map(|at| format!("i{at}: {}", parents(at).join(" "))).collect();
        let mut sample = Sample::built(&text.join(", "));
        sample.move_base("debian");
        let plan = sample.plan(base("debian")).unwrap();
        prop_assert_eq!(plan.steps.len(), rows.len());
        let released = released(&sample);
        let mut schedule = Schedule::new(&plan, parallel, &released, &sample.builds);
        let failing = |image: &ImageName| fails.contains(&image.as_str()[1..].parse().unwrap());
        let (mut ready, mut running, mut ended, mut picks) = (BTreeMap::new(), Vec::new(), BTreeMap::new(), picks.iter().cycle());
        loop {
            for start in schedule.start() {
                if matches!(start, Start::Build { .. }) {
                    let step = plan.steps.iter().find(|step| &step.image == start.image()).unwrap();
                    let built = |parent: &ImageName| matches!(ended.get(parent), Some(BuildOutcome::Built { .. }));
                    prop_assert!(step.after.iter().all(built), "{} was too early", step.image);
                    ready.insert(start.image().clone(), start);
                } else {
                    running.push(start);
                }
            }
            for image in turns(&mut schedule) {
                running.push(ready.remove(&image).unwrap());
            }
            let builds = running.iter().filter(|start| matches!(start, Start::Build { .. })).count();
            prop_assert!(builds <= parallel && builds + ready.len() <= 2 * parallel);
            prop_assert!(builds == parallel || ready.is_empty(), "a place is free, and somebody waits");
            prop_assert_eq!(schedule.is_quiet(), running.is_empty());
            if running.is_empty() { break }
            let start = running.remove(picks.next().unwrap().index(running.len()));
            let outcome = outcome(&start, |image| if failing(image) { None } else { new_id(image) });
            schedule.ended(start.image(), &outcome);
            prop_assert!(ended.insert(start.image().clone(), outcome).is_none(), "{} ended twice", start.image());
        }
        prop_assert!(schedule.is_over());
        for (at, row) in rows.iter().enumerate() {
            let lost = |outcome: &BuildOutcome| matches!(outcome, BuildOutcome::Failed { .. } | BuildOutcome::Skipped { .. });
            let parent_lost = at > 0 && row.iter().any(|to| lost(&ended[&name(&format!("i{}", to % at))]));
            let image = name(&format!("i{at}"));
            prop_assert_eq!(matches!(ended[&image], BuildOutcome::Skipped { .. }), parent_lost);
            prop_assert_eq!(matches!(ended[&image], BuildOutcome::Failed { .. }), !parent_lost && failing(&image));
        }
    }
}

#[test]
fn a_freed_place_is_taken_before_the_build_has_ended() {
    let sample = Sample::fresh("a: debian, b: debian, c: a");
    let plan = sample.plan(Change::Everything).unwrap();
    let (released, known) = (BTreeMap::new(), BTreeMap::new());
    let mut schedule = Schedule::new(&plan, 1, &released, &known);
    let next = |schedule: &mut Schedule<'_>| {
        let started: Vec<_> = schedule.start().iter().map(|start| start.image().to_string()).collect();
        let turns: Vec<_> = turns(schedule).iter().map(ToString::to_string).collect();
        (started.join(" "), turns.join(" "))
    };
    let both = |started: &str, turns: &str| (started.to_owned(), turns.to_owned());
    // b gets ready beside a.
    assert_eq!(next(&mut schedule), both("a b", "a"));
    assert_eq!(next(&mut schedule), both("", ""));
    schedule.freed(&name("a"));
    // Its dependents still wait for its end.
    assert_eq!(next(&mut schedule), both("", "b"));
    schedule.freed(&name("b"));
    assert_eq!(next(&mut schedule), both("", ""));
    schedule.ended(&name("a"), &built(&name("a"), digest("inputs"), "a"));
    assert_eq!(next(&mut schedule), both("c", "c"));
    assert!(!schedule.is_over());
}

#[test]
fn the_longest_way_has_the_next_turn_even_if_it_came_later() {
    let mut sample = Sample::fresh("a: debian, b: debian, c: debian, long: a");
    sample.facts("long").took = Some(Duration::from_secs(60));
    let plan = sample.plan(Change::Everything).unwrap();
    let (released, known) = (BTreeMap::new(), BTreeMap::new());
    let mut schedule = Schedule::new(&plan, 2, &released, &known);
    assert_eq!(schedule.start().len(), 3);
    assert_eq!(turns(&mut schedule), [name("a"), name("b")]);
    schedule.ended(&name("a"), &built(&name("a"), digest("inputs"), "a"));
    assert_eq!(schedule.start().len(), 1);
    assert_eq!(turns(&mut schedule), [name("long")], "c got ready first, and waits on");
}
