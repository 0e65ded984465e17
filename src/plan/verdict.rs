//! What is known of every image while a plan is made, and the verdict on each: built, reused, left for later, untouched.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::OnceLock;

use super::inputs::{inputs, own_inputs};
use super::request::{ImageFacts, LastBuild, PlanRequest, SourceFacts, is_patch, sources_of};
use super::subject::Subject;
use super::{Change, HeldBase, PlanError, Reason};
use crate::dockerfile::EdgeClass;
use crate::graph::{Edge, Node, NodeId};
use crate::model::{Digest, ImageName, ImageRef, Place, ReleaseNumber, SmallMap};
use crate::pipeline::{CycleRefresh, Image, Rebuild, Refresh, Sources};

/// What is done about one image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing.
    #[default]
    Untouched,
    /// It is built.
    Build,
    /// A build that is there is taken.
    Reuse(Digest),
    /// Its policy says not now.
    Deferred,
}

/// A verdict and its reasons, which part at once: the verdict is looked at when others are judged, the reasons move into the step.
pub(super) type VerdictAndReasons = (Verdict, Vec<Reason>);

/// Why an image is built whatever the change says of it: something that is built stands on it, and it is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Forced {
    NeverBuilt,
    Missing,
}

/// An edge along which something comes: what the reason says, not yet taken into a plan.
#[derive(Debug, Clone, Copy)]
struct Moved<'a> {
    came: Came<'a>,
    at: &'a Place,
    /// What the image's policy says of such an edge.
    policy: Rebuild,
}

#[derive(Debug, Clone, Copy)]
enum Came<'a> {
    Parent(&'a ImageName),
    Base { base: &'a ImageRef, old: Option<Digest>, new: Digest },
}

impl Moved<'_> {
    fn reason(self) -> Reason {
        let at = self.at.clone();
        match self.came {
            Came::Parent(parent) => Reason::ParentBuilt { parent: parent.clone(), at },
            Came::Base { base, old, new } => Reason::BaseMoved { base: base.clone(), old, new, at },
        }
    }
}

/// Reasons in their order. Counted before they are made: most lists have one entry, and a list that grows begins with room for four.
fn reasons<'a>(first: Option<Reason>, moved: impl Iterator<Item = Moved<'a>> + Clone, own: Option<Reason>) -> Vec<Reason> {
    let mut reasons = Vec::with_capacity(usize::from(first.is_some()) + moved.clone().count() + usize::from(own.is_some()));
    reasons.extend(first);
    reasons.extend(moved.map(Moved::reason));
    reasons.extend(own);
    reasons
}

/// The request, laid out by node index, so that walking the graph needs no search by name.
pub(super) struct Look<'a> {
    pub(super) request: &'a PlanRequest<'a>,
    subject: Subject,
    considered: Vec<bool>,
    images: Vec<&'a Image>,
    facts: Vec<Option<&'a ImageFacts>>,
    digests: Vec<Option<Digest>>,
    own: Vec<OnceLock<Digest>>,
    /// Images that must be built because something that is built stands on them, whatever the change says of them.
    forced: Vec<Option<Forced>>,
    /// Whether an image that was never released waits: a patch must not ship unreleased work.
    unreleased_waits: bool,
}

impl<'a> Look<'a> {
    pub(super) fn new(request: &'a PlanRequest<'a>) -> Result<Self, PlanError> {
        let graph = request.graph;
        if let Some(ring) = graph.rings().first() {
            return Err(PlanError::Ring(ring.clone()));
        }
        let subject = Subject::of(request)?;
        let facts = aligned(request.estate.images.keys(), request.images);
        let released = facts.iter().flatten().any(|facts| facts.last.is_some());
        let digest = |id| {
            let reference = graph.node(id).reference();
            reference.digest().or_else(|| request.digests.get(reference).copied())
        };
        let nothing = std::iter::repeat_n(None, request.estate.images.len());
        Ok(Self {
            request,
            considered: subject.considered(graph),
            subject,
            images: request.estate.images.values().collect(),
            digests: nothing.chain(graph.bases().map(digest)).collect(),
            own: vec![OnceLock::new(); facts.len()],
            forced: vec![None; facts.len()],
            unreleased_waits: is_patch(request.change) && request.estate.sources == Sources::Deployed && released,
            facts,
        })
    }

    pub(super) fn image(&self, id: NodeId) -> &'a Image {
        self.images[id.index()]
    }

    pub(super) fn facts(&self, id: NodeId) -> Option<&'a ImageFacts> {
        self.facts[id.index()]
    }

    pub(super) fn last(&self, id: NodeId) -> Option<&'a LastBuild> {
        self.facts(id)?.last.as_ref()
    }

    /// The digest of a base now.
    pub(super) fn digest(&self, base: NodeId) -> Option<Digest> {
        self.digests[base.index()]
    }

    /// The sources that an image is built from; one that only has to be there again is made again from what is deployed.
    pub(super) fn sources(&self, id: NodeId) -> Option<&'a SourceFacts> {
        let wanted = match self.forced[id.index()] {
            Some(Forced::Missing) => Sources::Deployed,
            _ => sources_of(self.request.change, self.request.estate.sources, &self.image(id).name),
        };
        Some(self.facts(id)?.sources(wanted))
    }

    pub(super) fn own_inputs(&self, id: NodeId) -> Option<Digest> {
        let sources = self.sources(id)?;
        Some(*self.own[id.index()].get_or_init(|| own_inputs(&self.image(id).build, sources)))
    }

    /// Must be asked with what is reached before who reaches.
    pub(super) fn judge(&self, id: NodeId, verdicts: &[Verdict]) -> VerdictAndReasons {
        match self.forced[id.index()] {
            Some(Forced::NeverBuilt) => return (Verdict::Build, self.all_reasons(id, Reason::NeverBuilt, verdicts)),
            Some(Forced::Missing) => return (Verdict::Build, self.all_reasons(id, Reason::Missing, verdicts)),
            None if !self.considered[id.index()] => return VerdictAndReasons::default(),
            None => {}
        }
        let asked = *self.request.change == Change::Rebuild || matches!(self.request.change, Change::Image(image) if *image == self.image(id).name);
        match (self.last(id), asked) {
            (_, true) => (Verdict::Build, self.all_reasons(id, Reason::Asked, verdicts)),
            (Some(_), _) if self.is_refreshed(id) => (Verdict::Build, self.all_reasons(id, Reason::Refresh, verdicts)),
            (Some(_), _) if let Some(gone) = self.must_lose(id) => (Verdict::Build, self.all_reasons(id, Reason::Patch { gone }, verdicts)),
            (None, _) if self.unreleased_waits && !self.looks_at_sources(id) => (Verdict::Deferred, vec![Reason::NeverBuilt]),
            (None, _) => (self.build_or_reuse(id, verdicts), vec![Reason::NeverBuilt]),
            (Some(last), _) => self.compare(id, last, verdicts),
        }
    }

    /// What a change means to an image that was built before.
    fn compare(&self, id: NodeId, last: &LastBuild, verdicts: &[Verdict]) -> VerdictAndReasons {
        let moved = self.moved(id, last, verdicts);
        let is_cycle = matches!(self.request.change, Change::Cycle { .. });
        // What is patched was named image by image, so no policy holds it.
        let is_patched = matches!(self.request.change, Change::Patch { .. });
        let triggered = moved.clone().any(|moved| is_patched || moved.policy == Rebuild::Now || is_cycle && moved.policy == Rebuild::NextCycle);
        let looks_at_sources = self.looks_at_sources(id);
        let own = if triggered || looks_at_sources { self.own_change(id, last, verdicts) } else { None };
        if triggered || (looks_at_sources && own.is_some()) {
            return (self.build_or_reuse(id, verdicts), reasons(None, moved, own));
        }
        let waits = reasons(None, moved.filter(|moved| moved.policy == Rebuild::NextCycle), None);
        if waits.is_empty() { VerdictAndReasons::default() } else { (Verdict::Deferred, waits) }
    }

    /// Whether what changed in its own sources is a reason to build an image.
    fn looks_at_sources(&self, id: NodeId) -> bool {
        match self.request.change {
            Change::Everything => true,
            Change::Moved { images, .. } => images.contains(&self.image(id).name),
            _ => false,
        }
    }

    /// Whether the patch cycle rebuilds an image whatever moved.
    fn is_refreshed(&self, id: NodeId) -> bool {
        match self.request.change {
            Change::Cycle { refresh: CycleRefresh::Marked } => self.image(id).refresh == Refresh::Always,
            Change::Cycle { refresh: CycleRefresh::All } => true,
            _ => false,
        }
    }

    /// What an image brings in by steps of its own and has to lose.
    fn must_lose(&self, id: NodeId) -> Option<String> {
        match self.request.change {
            Change::Patch(patch) if patch.afresh.contains(&self.image(id).name) => Some(patch.gone.clone()),
            _ => None,
        }
    }

    fn all_reasons(&self, id: NodeId, first: Reason, verdicts: &[Verdict]) -> Vec<Reason> {
        match self.last(id) {
            Some(last) => reasons(Some(first), self.moved(id, last, verdicts), self.own_change(id, last, verdicts)),
            None => vec![first],
        }
    }

    /// Every edge along which something comes.
    fn moved<'m>(&'m self, id: NodeId, last: &'m LastBuild, verdicts: &'m [Verdict]) -> impl Iterator<Item = Moved<'m>> + Clone {
        let policy = self.image(id).rebuild;
        let moved = move |(edge, from): (&'m Edge, NodeId)| {
            let policy = match edge.class {
                EdgeClass::Runtime => policy.runtime,
                EdgeClass::Build => policy.build,
            };
            Some(Moved { came: self.came(from, last, verdicts)?, at: &edge.at, policy })
        };
        self.request.graph.reaches(id).filter_map(moved)
    }

    /// What comes from a node to an image that was built on it, if anything.
    fn came<'m>(&'m self, from: NodeId, last: &LastBuild, verdicts: &[Verdict]) -> Option<Came<'m>> {
        match self.request.graph.node(from) {
            Node::Image { name, .. } => {
                let is_new = verdicts[from.index()] == Verdict::Build || {
                    let then = self.then(from, last).or_else(|| self.last(from).map(|last| last.released.id));
                    self.standing_id(from, verdicts) != then
                };
                is_new.then_some(Came::Parent(name))
            }
            // Only a base that the change is about counts.
            Node::Base(_) if !self.subject.is(from) => None,
            Node::Base(base) => {
                let (old, new) = (self.then(from, last), self.digest(from)?);
                (old != Some(new) && self.quarantined(from).is_none()).then_some(Came::Base { base, old, new })
            }
        }
    }

    /// What a reference to a node meant at an image's last build.
    fn then(&self, node: NodeId, last: &LastBuild) -> Option<Digest> {
        last.released.bases.get(self.request.graph.node(node).reference()).copied()
    }

    /// The release in quarantine with which a base came to where it is now. Who asks for something by name has it as it is.
    fn quarantined(&self, base: NodeId) -> Option<ReleaseNumber> {
        let reference = self.request.graph.node(base).reference();
        if matches!(self.request.change, Change::Patch { .. }) {
            return None;
        }
        let digests = self.request.quarantined.bases.get(reference).filter(|_| self.subject.is(base))?;
        digests.get(&self.digest(base)?).copied()
    }

    /// The bases that the change would be about, were they not in quarantine.
    pub(super) fn held_bases(&self) -> Vec<HeldBase> {
        let graph = self.request.graph;
        let held = |base: NodeId| {
            Some(HeldBase { base: graph.node(base).reference().clone(), digest: self.digest(base)?, refused: self.quarantined(base)? })
        };
        match self.request.change {
            Change::Everything | Change::Base(_) | Change::Moved { .. } | Change::Cycle { .. } => graph.bases().filter_map(held).collect(),
            _ => Vec::new(),
        }
    }

    /// What changed in the image's own files and settings since its last build.
    fn own_change(&self, id: NodeId, last: &LastBuild, verdicts: &[Verdict]) -> Option<Reason> {
        let own = self.own_inputs(id)?;
        let same = match last.released.own_inputs {
            Some(before) => before == own,
            // Without a record of its own inputs, the whole is compared, with every reference as it was pinned then.
            None => self.pins_then(id, last, verdicts).is_some_and(|pins| inputs(own, &pins) == last.released.inputs),
        };
        if same {
            return None;
        }
        let now = &self.sources(id)?.context;
        let files_changed = match last.released.context {
            Some(before) => before != now.hash,
            None => last.released.commit != now.commit || now.dirty,
        };
        Some(if files_changed {
            Reason::ContextChanged { old: last.released.commit.clone(), new: now.commit.clone() }
        } else {
            Reason::SettingsChanged
        })
    }

    fn pins_then(&self, id: NodeId, last: &LastBuild, verdicts: &[Verdict]) -> Option<SmallMap<ImageRef, Digest>> {
        self.pins(id, |to| self.then(to, last).or_else(|| self.standing_id(to, verdicts)))
    }

    fn pins(&self, id: NodeId, pinned: impl Fn(NodeId) -> Option<Digest>) -> Option<SmallMap<ImageRef, Digest>> {
        self.request.graph.reaches(id).map(|(_, to)| Some((self.request.graph.node(to).reference().clone(), pinned(to)?))).collect()
    }

    /// What a reference to a node means if no build is waited for; `None` if one is, or if nobody knows.
    pub(super) fn standing_id(&self, id: NodeId, verdicts: &[Verdict]) -> Option<Digest> {
        if !self.request.graph.is_image(id) {
            return self.digest(id);
        }
        match verdicts[id.index()] {
            Verdict::Build => None,
            Verdict::Reuse(reused) => Some(reused),
            Verdict::Untouched | Verdict::Deferred => Some(self.last(id)?.released.id),
        }
    }

    fn build_or_reuse(&self, id: NodeId, verdicts: &[Verdict]) -> Verdict {
        self.already_built(id, verdicts).map_or(Verdict::Build, Verdict::Reuse)
    }

    /// A build with exactly these inputs, if all of them are known and there is one.
    fn already_built(&self, id: NodeId, verdicts: &[Verdict]) -> Option<Digest> {
        if self.request.builds.is_empty() {
            return None;
        }
        let pins = self.pins(id, |to| self.standing_id(to, verdicts))?;
        self.request.builds.get(&inputs(self.own_inputs(id)?, &pins)).copied()
    }

    /// Forces what is built upon and not there; says whether anything was. What was forced needs its own parents in turn.
    pub(super) fn force_what_is_needed(&mut self, top_down: impl Iterator<Item = NodeId>, verdicts: &[Verdict]) -> bool {
        let mut forced_any = false;
        for id in top_down {
            if verdicts[id.index()] != Verdict::Build && self.forced[id.index()].is_none() {
                continue;
            }
            let graph = self.request.graph;
            for (_, parent) in graph.reaches(id).filter(|(_, to)| graph.is_image(*to)) {
                if self.forced[parent.index()].is_some() || !matches!(verdicts[parent.index()], Verdict::Untouched | Verdict::Deferred) {
                    continue;
                }
                let forced = match self.last(parent) {
                    None => Forced::NeverBuilt,
                    Some(last) if !last.present => Forced::Missing,
                    Some(_) => continue,
                };
                self.forced[parent.index()] = Some(forced);
                // It may be made from other sources now.
                self.own[parent.index()] = OnceLock::new();
                forced_any = true;
            }
        }
        forced_any
    }
}

/// The values of a sorted map, beside sorted keys: one walk over both instead of a search for each.
fn aligned<'a, K: Ord + 'a, V>(keys: impl Iterator<Item = &'a K>, map: &'a BTreeMap<K, V>) -> Vec<Option<&'a V>> {
    let mut entries = map.iter().peekable();
    keys.map(|key| {
        loop {
            match entries.peek()?.0.cmp(key) {
                Ordering::Less => drop(entries.next()),
                Ordering::Equal => return entries.next().map(|(_, value)| value),
                Ordering::Greater => return None,
            }
        }
    })
    .collect()
}
