//! What is known of every image while a plan is made, and the verdict on each: built, reused, left for later, untouched.

use std::cell::OnceCell;
use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::inputs::{inputs, own_inputs};
use super::request::{ImageFacts, LastBuild, PlanRequest, SourceFacts, sources_of};
use super::{Change, PlanError, Reason, error};
use crate::dockerfile::EdgeClass;
use crate::graph::{Edge, NodeId};
use crate::model::{Digest, ImageName, ImageRef, SmallMap};
use crate::pipeline::{Image, Rebuild, Sources};

/// What is done about one image, and why.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing.
    #[default]
    Untouched,
    /// It is built.
    Build(Vec<Reason>),
    /// A build that is there is taken.
    Reuse(Digest, Vec<Reason>),
    /// Its policy says not now.
    Deferred(Vec<Reason>),
}

/// The request, laid out by node index, so that walking the graph needs no search by name.
pub(super) struct Look<'a> {
    pub(super) request: &'a PlanRequest<'a>,
    /// The node that the change is about.
    subject: Option<NodeId>,
    considered: Vec<bool>,
    sources: Sources,
    images: Vec<&'a Image>,
    facts: Vec<Option<&'a ImageFacts>>,
    digests: Vec<Option<Digest>>,
    own: Vec<OnceCell<Digest>>,
    /// Images that must be built because something that is built stands on them, whatever the change says of them.
    pub(super) forced: Vec<Option<Reason>>,
    /// Whether an image that was never released waits: a patch must not ship unreleased work.
    unreleased_waits: bool,
}

impl<'a> Look<'a> {
    pub(super) fn new(request: &'a PlanRequest<'a>) -> Result<Self, PlanError> {
        let graph = request.graph;
        if let Some(ring) = graph.rings().first() {
            return Err(PlanError::Ring(ring.clone()));
        }
        let subject = subject(request)?;
        let sources = sources_of(request.change, request.estate.sources);
        let facts = aligned(request.estate.images.keys(), request.images);
        let released = facts.iter().flatten().any(|facts| facts.last.is_some());
        let digest = |id| {
            let reference = graph.node(id).reference();
            reference.digest().or_else(|| request.digests.get(reference).copied())
        };
        let nothing = std::iter::repeat_n(None, request.estate.images.len());
        Ok(Self {
            request,
            subject,
            considered: match subject {
                Some(subject) => graph.reaching(&[subject]),
                None => vec![!matches!(request.change, Change::Release(_)); graph.len()],
            },
            sources,
            images: request.estate.images.values().collect(),
            digests: nothing.chain(graph.bases().map(digest)).collect(),
            own: vec![OnceCell::new(); facts.len()],
            forced: vec![None; facts.len()],
            unreleased_waits: matches!(request.change, Change::Base(_)) && sources == Sources::Deployed && released,
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
        let wanted = if self.forced[id.index()] == Some(Reason::Missing) { Sources::Deployed } else { self.sources };
        Some(self.facts(id)?.sources(wanted))
    }

    pub(super) fn own_inputs(&self, id: NodeId) -> Option<Digest> {
        let sources = self.sources(id)?;
        Some(*self.own[id.index()].get_or_init(|| own_inputs(&self.image(id).build, sources)))
    }

    /// Must be asked with what is reached before who reaches.
    pub(super) fn judge(&self, id: NodeId, verdicts: &[Verdict]) -> Verdict {
        if let Some(forced) = &self.forced[id.index()] {
            return Verdict::Build(self.all_reasons(id, forced.clone(), verdicts));
        }
        if !self.considered[id.index()] {
            return Verdict::Untouched;
        }
        let asked = *self.request.change == Change::Rebuild || (self.subject == Some(id) && self.request.graph.is_image(id));
        match (self.last(id), asked) {
            (_, true) => Verdict::Build(self.all_reasons(id, Reason::Asked, verdicts)),
            (None, _) if self.unreleased_waits => Verdict::Deferred(vec![Reason::NeverBuilt]),
            (None, _) => self.build_or_reuse(id, vec![Reason::NeverBuilt], verdicts),
            (Some(last), _) => self.compare(id, last, verdicts),
        }
    }

    /// What a change means to an image that was built before.
    fn compare(&self, id: NodeId, last: &LastBuild, verdicts: &[Verdict]) -> Verdict {
        let moved = self.moved(id, last, verdicts);
        let triggered = moved.iter().any(|(policy, _)| *policy == Rebuild::Now);
        let looks_at_sources = *self.request.change == Change::Everything;
        let own = if triggered || looks_at_sources { self.own_change(id, last, verdicts) } else { None };
        if triggered || (looks_at_sources && own.is_some()) {
            let reasons = moved.into_iter().map(|(_, reason)| reason).chain(own).collect();
            return self.build_or_reuse(id, reasons, verdicts);
        }
        let waits: Vec<Reason> = moved.into_iter().filter(|(policy, _)| *policy == Rebuild::NextCycle).map(|(_, reason)| reason).collect();
        if waits.is_empty() { Verdict::Untouched } else { Verdict::Deferred(waits) }
    }

    fn all_reasons(&self, id: NodeId, first: Reason, verdicts: &[Verdict]) -> Vec<Reason> {
        let mut reasons = vec![first];
        if let Some(last) = self.last(id) {
            reasons.extend(self.moved(id, last, verdicts).into_iter().map(|(_, reason)| reason));
            reasons.extend(self.own_change(id, last, verdicts));
        }
        reasons
    }

    /// Every edge along which something comes, with what the image's policy says of it.
    fn moved(&self, id: NodeId, last: &LastBuild, verdicts: &[Verdict]) -> Vec<(Rebuild, Reason)> {
        let policy = self.image(id).rebuild;
        let policy_of = |edge: &Edge| match edge.class {
            EdgeClass::Runtime => policy.runtime,
            EdgeClass::Build => policy.build,
        };
        let edges = self.request.graph.reaches(id);
        edges.filter_map(|(edge, to)| Some((policy_of(edge), self.what_came(edge, to, last, verdicts)?))).collect()
    }

    /// What comes along one edge, if anything.
    fn what_came(&self, edge: &Edge, to: NodeId, last: &LastBuild, verdicts: &[Verdict]) -> Option<Reason> {
        let reference = self.request.graph.node(to).reference();
        let then = last.released.bases.get(reference).copied();
        match self.request.graph.name(to) {
            Some(parent) => {
                let came = match &verdicts[to.index()] {
                    Verdict::Build(_) => true,
                    _ => self.standing_id(to, verdicts) != then.or_else(|| self.last(to).map(|last| last.released.id)),
                };
                came.then(|| Reason::ParentBuilt { parent: parent.clone(), at: edge.at.clone() })
            }
            // Only the base that the change is about counts, or every base if it is about none.
            None if self.subject.is_some_and(|subject| subject != to) => None,
            None => {
                let new = self.digest(to).filter(|new| then != Some(*new))?;
                Some(Reason::BaseMoved { base: reference.clone(), old: then, new, at: edge.at.clone() })
            }
        }
    }

    /// What changed in the image's own files and settings since its last build.
    fn own_change(&self, id: NodeId, last: &LastBuild, verdicts: &[Verdict]) -> Option<Reason> {
        let own = self.own_inputs(id)?;
        let same = match last.own_inputs {
            Some(before) => before == own,
            // Without a record of its own inputs, the whole is compared, with every reference as it was pinned then.
            None => self.pins_then(id, last, verdicts).is_some_and(|pins| inputs(own, &pins) == last.released.inputs),
        };
        if same {
            return None;
        }
        let now = &self.sources(id)?.context;
        let files_changed = match last.context {
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
        let then = |to: NodeId| last.released.bases.get(self.request.graph.node(to).reference()).copied();
        self.pins(id, |to| then(to).or_else(|| self.standing_id(to, verdicts)))
    }

    fn pins(&self, id: NodeId, pinned: impl Fn(NodeId) -> Option<Digest>) -> Option<SmallMap<ImageRef, Digest>> {
        self.request.graph.reaches(id).map(|(_, to)| Some((self.request.graph.node(to).reference().clone(), pinned(to)?))).collect()
    }

    /// What a reference to a node means if no build is waited for; `None` if one is, or if nobody knows.
    pub(super) fn standing_id(&self, id: NodeId, verdicts: &[Verdict]) -> Option<Digest> {
        if !self.request.graph.is_image(id) {
            return self.digest(id);
        }
        match &verdicts[id.index()] {
            Verdict::Build(_) => None,
            Verdict::Reuse(reused, _) => Some(*reused),
            Verdict::Untouched | Verdict::Deferred(_) => Some(self.last(id)?.released.id),
        }
    }

    fn build_or_reuse(&self, id: NodeId, reasons: Vec<Reason>, verdicts: &[Verdict]) -> Verdict {
        match self.already_built(id, verdicts) {
            Some(built) => Verdict::Reuse(built, reasons),
            None => Verdict::Build(reasons),
        }
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
    pub(super) fn force_what_is_needed(&mut self, order: &[NodeId], verdicts: &[Verdict]) -> bool {
        let mut forced_any = false;
        for &id in order.iter().rev() {
            if !matches!(verdicts[id.index()], Verdict::Build(_)) && self.forced[id.index()].is_none() {
                continue;
            }
            let graph = self.request.graph;
            for (_, parent) in graph.reaches(id).filter(|(_, to)| graph.is_image(*to)) {
                if self.forced[parent.index()].is_some() || !matches!(verdicts[parent.index()], Verdict::Untouched | Verdict::Deferred(_)) {
                    continue;
                }
                let reason = match self.last(parent) {
                    None => Reason::NeverBuilt,
                    Some(last) if !last.present => Reason::Missing,
                    Some(_) => continue,
                };
                self.forced[parent.index()] = Some(reason);
                // It may be made from other sources now.
                self.own[parent.index()] = OnceCell::new();
                forced_any = true;
            }
        }
        forced_any
    }
}

/// The node that a change is about; none if it is about everything.
fn subject(request: &PlanRequest<'_>) -> Result<Option<NodeId>, PlanError> {
    match request.change {
        Change::Base(base) => base_node(request, base).map(Some),
        Change::Image(image) => image_node(request, image).map(Some),
        Change::Everything | Change::Rebuild | Change::Release(_) | Change::Drift => Ok(None),
    }
}

fn base_node(request: &PlanRequest<'_>, asked: &ImageRef) -> Result<NodeId, PlanError> {
    let graph = request.graph;
    let names = || graph.bases().map(|id| graph.node(id).label());
    let node =
        graph.find(asked).ok_or_else(|| PlanError::NoSuchBase { asked: asked.clone(), nearest: error::nearest(&asked.familiar(), names()) })?;
    match graph.name(node) {
        Some(image) => Err(PlanError::BaseIsImage { image: image.clone() }),
        None => Ok(node),
    }
}

fn image_node(request: &PlanRequest<'_>, asked: &ImageName) -> Result<NodeId, PlanError> {
    let names = request.estate.images.keys().map(ToString::to_string);
    request.graph.image(asked).ok_or_else(|| PlanError::NoSuchImage { asked: asked.clone(), nearest: error::nearest(asked.as_str(), names) })
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
