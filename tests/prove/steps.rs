//! What may happen next in a state, and what it makes of it.

use refit::pipeline::Order;
use refit::rollout::Person;
use refit::sim::Promise;

use super::scene::Stage;
use super::state;
use super::state::{Call, Container, State};

/// One thing that happens. Slots and hosts by their number, containers by slot and version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The orchestrator looks, decides, remembers, and sends off what it decided.
    Decide(Option<Person>),
    /// It dies in the middle of writing down what it decided: so many kinds of entries are written.
    DieRemembering(u8),
    /// It dies and is started again. Calls that were on their way never arrive, or, if late, may still.
    Die {
        late: bool,
    },
    /// A call takes effect and its answer is received.
    Answer(usize),
    /// A call's answer never comes, and the call took no effect, or, if late, may still.
    Lose {
        slot: usize,
        late: bool,
    },
    /// A container is created, but not started, and the answer gets lost.
    Halve(usize),
    /// The engine refuses a call for good.
    Refuse(usize),
    /// A call that nobody waits for any more takes effect.
    Late(usize),
    /// A container becomes well.
    Well(usize, usize),
    /// A container becomes unwell.
    Sicken(usize, usize),
    /// A container ends by itself.
    End(usize, usize),
    /// A container ends again and again, and the engine starts it again and again.
    Loop(usize, usize),
    Crash(usize),
    Hang(usize),
    /// A host answers again.
    Return(usize),
    Tick,
}

/// Lists what may happen next, and could change something.
pub fn possible(stage: &Stage, state: &State, into: &mut Vec<Step>) {
    let is_over = state.is_at_rest() && (state.left.words == 0 || matches!(state.phase, state::Stage::Finished(_)));
    if state.broken.is_some() || is_over {
        return;
    }
    orchestrator(state, into);
    for number in 0..state.slots.len() {
        calls(stage, state, number, into);
        containers(stage, state, number, into);
    }
    for (number, host) in state.hosts.iter().enumerate() {
        match host.silent {
            Some(_) => into.push(Step::Return(number)),
            None => {
                into.extend((state.left.crashes > 0).then_some(Step::Crash(number)));
                into.extend((state.left.hangs > 0).then_some(Step::Hang(number)));
            }
        }
    }
    into.push(Step::Tick);
}

fn orchestrator(state: &State, into: &mut Vec<Step>) {
    if !state.is_at_rest() {
        into.push(Step::Decide(None));
        if state.left.deaths > 0 {
            into.extend([Step::Die { late: false }, Step::DieRemembering(1), Step::DieRemembering(2), Step::DieRemembering(3)]);
            into.extend((state.left.late > 0).then_some(Step::Die { late: true }));
        }
    }
    if state.left.words > 0 {
        into.extend(state.words().iter().map(|word| Step::Decide(Some(*word))));
    }
}

fn calls(stage: &Stage, state: &State, number: usize, into: &mut Vec<Step>) {
    let slot = &state.slots[number];
    let is_silent = state.hosts[stage.host_of[number]].silent.is_some();
    if let Some(call) = slot.call {
        if !is_silent {
            into.push(Step::Answer(number));
            if state.left.lost > 0 && matches!(call, Call::StartNew(which) if slot.containers[which] == Container::None) {
                into.push(Step::Halve(number));
            }
            into.extend((state.left.refusals > 0).then_some(Step::Refuse(number)));
        }
        if is_silent || state.left.lost > 0 {
            into.push(Step::Lose { slot: number, late: false });
            into.extend((state.left.late > 0 && slot.late.is_none()).then_some(Step::Lose { slot: number, late: true }));
        }
    }
    into.extend((slot.late.is_some() && !is_silent).then_some(Step::Late(number)));
}

fn containers(stage: &Stage, state: &State, number: usize, into: &mut Vec<Step>) {
    for (which, container) in state.slots[number].containers.iter().enumerate() {
        if matches!(container, Container::Starting | Container::Unhealthy | Container::Looping) {
            into.push(Step::Well(number, which));
        }
        if state.left.failures > 0 && matches!(container, Container::Starting | Container::Healthy(_)) {
            into.push(Step::Sicken(number, which));
            into.push(if stage.configuration.restarts { Step::Loop(number, which) } else { Step::End(number, which) });
        }
    }
}

/// What a step makes of a state; and, if the step broke a promise, how.
pub fn take(stage: &Stage, before: &State, step: Step) -> (State, Option<String>) {
    let mut state = before.clone();
    let mut why = None;
    match step {
        Step::Decide(word) => why = decide(stage, &mut state, word),
        Step::DieRemembering(entries) => {
            why = stage.decide(&mut state, None, Some(entries));
            state.left.deaths -= 1;
            die(stage, &mut state, false);
        }
        Step::Die { late } => {
            state.left.deaths -= 1;
            state.left.late -= u8::from(late);
            die(stage, &mut state, late);
        }
        Step::Answer(slot) => why = answer(stage, &mut state, slot),
        Step::Lose { slot, late } => lose(stage, &mut state, slot, late),
        Step::Halve(slot) => {
            state.left.lost -= 1;
            if let Some(Call::StartNew(which)) = state.slots[slot].call.take() {
                state.slots[slot].containers[which] = Container::Created;
            }
        }
        Step::Refuse(slot) => {
            state.left.refusals -= 1;
            state.slots[slot].call = None;
            stage.refuse(&mut state, slot);
        }
        Step::Late(slot) => {
            if let Some(call) = state.slots[slot].late.take() {
                arrive_late(&mut state, slot, call);
            }
        }
        Step::Well(slot, which) => {
            state.slots[slot].containers[which] = Container::Healthy(0);
        }
        Step::Sicken(slot, which) => fail(&mut state, slot, which, Container::Unhealthy),
        Step::Loop(slot, which) => fail(&mut state, slot, which, Container::Looping),
        Step::End(slot, which) => {
            let ended = ended(&state, slot);
            fail(&mut state, slot, which, ended);
        }
        Step::Crash(host) => {
            state.left.crashes -= 1;
            state.hosts[host].is_down = true;
            state.hosts[host].silent = Some(0);
            on_host(stage, &mut state, host, |_, container| if container.is_up() { Container::Down } else { container });
        }
        Step::Hang(host) => {
            state.left.hangs -= 1;
            state.hosts[host].silent = Some(0);
        }
        Step::Return(host) => come_back(stage, &mut state, host),
        Step::Tick => tick(stage, &mut state),
    }
    normalise(stage, &mut state);
    (state, why)
}

fn decide(stage: &Stage, state: &mut State, word: Option<Person>) -> Option<String> {
    state.left.words -= u8::from(word.is_some());
    // Whoever paused, or waits at a gate and nobody is there, has ended; it is another process that goes on, with what the journal kept.
    if word.is_some() && state.is_at_rest() {
        forget(stage, state);
    }
    stage.decide(state, word, None)
}

fn die(stage: &Stage, state: &mut State, late: bool) {
    for number in 0..state.slots.len() {
        let is_down = state.hosts[stage.host_of[number]].is_down;
        let slot = &mut state.slots[number];
        let call = slot.call.take();
        if late && !is_down && slot.late.is_none() {
            slot.late = call;
        }
    }
    forget(stage, state);
}

/// What is left of the orchestrator's memory when another one takes over.
fn forget(stage: &Stage, state: &mut State) {
    stage.resume(state);
    for host in &mut state.hosts {
        host.silent = host.silent.map(|_| 0);
    }
    if !stage.configuration.probed {
        return;
    }
    // Health that refit itself asked for is not known to the next one before it asks.
    for container in state.slots.iter_mut().flat_map(|slot| &mut slot.containers) {
        match container {
            Container::Healthy(age) => *age = 0,
            Container::Unhealthy => *container = Container::Starting,
            _ => {}
        }
    }
}

fn answer(stage: &Stage, state: &mut State, number: usize) -> Option<String> {
    let call = state.slots[number].call.take()?;
    let why = second_writer(stage, state, number, call);
    match call {
        Call::Remove(which) if state.slots[number].containers[which].is_up() => stage.refuse(state, number),
        Call::StartNew(which) => start(state, number, which),
        call => effect(state, number, call),
    }
    why
}

/// Says so, and notes it, if a call starts a second container beside one that is up where that must not be. Of a call that nobody waits for any
/// more refit cannot know, so where such calls arrive late only what is decided is judged.
fn second_writer(stage: &Stage, state: &mut State, number: usize, call: Call) -> Option<String> {
    let (Call::StartNew(which) | Call::StartAgain(which)) = call else { return None };
    let is_stop_first = stage.configuration.desired.slots[number].order == Order::StopFirst;
    let is_beside = state.slots[number].containers[1 - which].is_up();
    if !(is_stop_first && is_beside) || stage.configuration.budget.late > 0 {
        return None;
    }
    state.broken = Some(Promise::NeverTwoSideBySide);
    Some(format!("two side by side: {call:?} in slot {number}"))
}

fn effect(state: &mut State, number: usize, call: Call) {
    let ended = ended(state, number);
    match call {
        Call::StartNew(which) | Call::StartAgain(which) => {
            if state.slots[number].containers[which] != Container::None {
                start(state, number, which);
            }
        }
        Call::Stop(which) => {
            let container = &mut state.slots[number].containers[which];
            if container.is_up() {
                *container = ended;
            }
        }
        Call::Remove(which) => {
            let container = &mut state.slots[number].containers[which];
            if !container.is_up() {
                *container = Container::None;
            }
        }
    }
}

fn start(state: &mut State, number: usize, which: usize) {
    let container = &mut state.slots[number].containers[which];
    if !container.is_up() {
        *container = Container::Starting;
    }
}

/// Of an orchestrator that is gone, one request at most still arrives: what is to be created is not started.
fn arrive_late(state: &mut State, number: usize, call: Call) {
    match call {
        Call::StartNew(which) if state.slots[number].containers[which] == Container::None => {
            state.slots[number].containers[which] = Container::Created;
        }
        call => effect(state, number, call),
    }
}

fn lose(stage: &Stage, state: &mut State, number: usize, late: bool) {
    let host = &state.hosts[stage.host_of[number]];
    let (is_silent, is_down) = (host.silent.is_some(), host.is_down);
    // That a silent host's answers do not come is no further mishap.
    state.left.lost -= u8::from(!is_silent);
    state.left.late -= u8::from(late);
    let slot = &mut state.slots[number];
    let call = slot.call.take();
    if late && !is_down {
        slot.late = call;
    }
}

fn fail(state: &mut State, slot: usize, which: usize, into: Container) {
    state.left.failures -= 1;
    state.slots[slot].containers[which] = into;
}

fn ended(state: &State, slot: usize) -> Container {
    Container::Exited { after: state.slots[slot].began.is_some() }
}

fn on_host(stage: &Stage, state: &mut State, host: usize, change: impl Fn(Container, Container) -> Container) {
    for number in (0..state.slots.len()).filter(|number| stage.host_of[*number] == host) {
        let ended = ended(state, number);
        for container in &mut state.slots[number].containers {
            *container = change(ended, *container);
        }
    }
}

/// An engine that comes up again starts what ran, or says that it ended just now.
fn come_back(stage: &Stage, state: &mut State, host: usize) {
    if state.hosts[host].is_down {
        let restarts = stage.configuration.restarts;
        on_host(stage, state, host, |ended, container| match container {
            Container::Down if restarts => Container::Starting,
            Container::Down => ended,
            other => other,
        });
        for number in (0..state.slots.len()).filter(|number| stage.host_of[*number] == host) {
            // Its engine knows nothing of requests from before; whoever waits for an answer is told that the line is cut.
            state.slots[number].late = None;
            state.slots[number].call = None;
        }
    }
    state.hosts[host].is_down = false;
    state.hosts[host].silent = None;
}

fn tick(stage: &Stage, state: &mut State) {
    let older = |age: &mut u8, most: u8| *age = (*age + 1).min(most);
    let ages = &stage.ages;
    for slot in &mut state.slots {
        slot.began.iter_mut().for_each(|age| older(age, ages.began));
        for container in &mut slot.containers {
            if let Container::Healthy(age) = container {
                older(age, ages.healthy);
            }
        }
    }
    state.hosts.iter_mut().filter_map(|host| host.silent.as_mut()).for_each(|age| older(age, ages.silent));
    state.last_done.iter_mut().for_each(|age| older(age, ages.last_done));
    state.progressed.iter_mut().for_each(|age| older(age, ages.progressed));
    state.at.at_gate.iter_mut().chain(&mut state.kept_at.at_gate).for_each(|age| older(age, ages.at_gate));
}

/// Forgets what can make no difference any more, so that states which differ only in that are one.
fn normalise(stage: &Stage, state: &mut State) {
    let journal_matters = state.left.deaths > 0 || state.left.words > 0;
    for slot in &mut state.slots {
        if slot.began.is_none() {
            for container in &mut slot.containers {
                if let Container::Exited { after } = container {
                    *after = false;
                }
            }
        }
        if !journal_matters {
            (slot.kept_failed, slot.kept_done, slot.kept_begun) = (None, false, false);
        }
    }
    normalise_stages(stage, state);
    if !journal_matters {
        state.kept_phase = state::Stage::Forward;
        state.kept_at = state::Place::default();
        state.hosts.iter_mut().for_each(|host| host.kept_left_behind = false);
    }
}

/// Where all slots are one stage with nothing behind it, or the way forward is over, nothing depends on the place among stages.
fn normalise_stages(stage: &Stage, state: &mut State) {
    let is_staged = !stage.configuration.desired.stages.is_empty();
    let is_forward = |phase| matches!(phase, state::Stage::Forward | state::Stage::Paused { back: false });
    if !is_staged || !is_forward(state.phase) {
        state.at = state::Place::default();
    }
    if !is_staged || !is_forward(state.kept_phase) {
        state.kept_at = state::Place::default();
    }
}
