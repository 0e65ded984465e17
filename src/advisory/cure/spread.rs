//! One problem throughout the estate: who has it by whom, and what that needs.

use std::collections::{BTreeMap, BTreeSet};

use super::{BaseMove, Because, Bringer, Cure, Finding, Fix, Hopeless, NewerBase, Outlook, Problem, Reason, Rebuild, Situation};
use crate::model::{ImageName, ImageRef};

/// One problem throughout the estate.
pub(super) struct Spread<'s> {
    situation: &'s Situation,
    problem: &'s Problem,
    /// Its findings by image, those included that an image is only held to have.
    findings: BTreeMap<&'s ImageName, Vec<&'s Finding>>,
}

/// By whom an image has the problem now: what would bring it in again if the image alone were rebuilt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Source<'s> {
    /// By itself; cured by this.
    Itself(Option<&'s Fix>),
    /// By a parent that has it.
    Image(&'s ImageName),
    /// By a base that it stands on; cured by this.
    Base(&'s ImageRef, Option<&'s Fix>),
    /// By what it stood on when it was built, and that does not have it any more or is not under it any more.
    Past(&'s Bringer),
}

impl<'s> Spread<'s> {
    pub(super) fn new(situation: &'s Situation, problem: &'s Problem, said: Vec<(&'s ImageName, &'s Finding)>, below: &mut Below<'s>) -> Self {
        let mut spread = Self { situation, problem, findings: BTreeMap::new() };
        let mut open = said;
        while let Some((image, finding)) = open.pop() {
            let findings = spread.findings.entry(image).or_default();
            if findings.contains(&finding) {
                continue;
            }
            findings.push(finding);
            if !is_by(finding, image) {
                let unread = parents(situation, image).filter(|parent| !situation.findings.contains_key(*parent));
                open.extend(unread.filter(|parent| is_by(finding, parent) || below.has(parent, &finding.by)).map(|parent| (parent, finding)));
            }
        }
        spread
    }

    /// The images that can be cured. `places` has parents before children.
    pub(super) fn curable(&self, places: &BTreeMap<&ImageName, usize>) -> BTreeSet<&'s ImageName> {
        let mut images: Vec<&ImageName> = self.findings.keys().copied().collect();
        images.sort_by_key(|image| places.get(image));
        let mut curable = BTreeSet::new();
        for image in images {
            let is_cured = |source: &Source<'s>| match source {
                Source::Itself(fix) => fix.is_some(),
                Source::Image(parent) => curable.contains(parent),
                Source::Base(base, fix) => self.outlook(base, *fix) != Outlook::Unknown,
                Source::Past(_) => true,
            };
            if self.sources(image).iter().all(is_cured) {
                curable.insert(image);
            }
        }
        curable
    }

    fn sources(&self, image: &ImageName) -> BTreeSet<Source<'s>> {
        let mut sources = BTreeSet::new();
        for finding in self.findings.get(image).into_iter().flatten() {
            if is_by(finding, image) {
                let copied = self.situation.copies.get(image).into_iter().flatten().filter(|from| self.findings.contains_key(from));
                sources.extend(copied.map(Source::Image));
                sources.insert(Source::Itself(finding.fix.as_ref()));
            } else {
                sources.extend(self.inherited(image, finding));
            }
        }
        sources
    }

    /// By whom an image inherits it now.
    fn inherited(&self, image: &ImageName, finding: &'s Finding) -> Vec<Source<'s>> {
        let mut sources: Vec<_> = parents(self.situation, image).filter(|parent| self.findings.contains_key(parent)).map(Source::Image).collect();
        let stands_on = self.situation.parents.get(image).is_some_and(|parents| parents.contains(&finding.by));
        match &finding.by {
            Bringer::Base(base) if stands_on => sources.push(Source::Base(base, finding.fix.as_ref())),
            by if sources.is_empty() => sources.push(Source::Past(by)),
            _ => {}
        }
        sources
    }

    fn outlook(&self, base: &ImageRef, fix: Option<&Fix>) -> Outlook {
        match self.situation.newer.get(base) {
            Some(NewerBase { digest, has: Some(has) }) if !has.contains(self.problem) => Outlook::Cured(*digest),
            Some(NewerBase { digest, has: None }) => Outlook::Newer(*digest),
            _ => match fix {
                Some(Fix::Version(version)) => Outlook::Fixed(version.clone()),
                Some(Fix::NotAskedAbout) => Outlook::Possible,
                None => Outlook::Unknown,
            },
        }
    }
}

fn is_by(finding: &Finding, image: &ImageName) -> bool {
    matches!(&finding.by, Bringer::Image(by) if by == image)
}

fn parents<'s>(situation: &'s Situation, image: &ImageName) -> impl Iterator<Item = &'s ImageName> + use<'s> {
    let parents = situation.parents.get(image).into_iter().flatten();
    parents.filter_map(|parent| if let Bringer::Image(parent) = parent { Some(parent) } else { None })
}

/// What stands below images; each is walked once.
pub(super) struct Below<'s> {
    situation: &'s Situation,
    known: BTreeMap<&'s ImageName, BTreeSet<&'s Bringer>>,
}

impl<'s> Below<'s> {
    pub(super) fn new(situation: &'s Situation) -> Self {
        Self { situation, known: BTreeMap::new() }
    }

    fn has(&mut self, image: &'s ImageName, by: &Bringer) -> bool {
        let situation = self.situation;
        self.known.entry(image).or_insert_with(|| everything_below(situation, image)).contains(by)
    }
}

fn everything_below<'s>(situation: &'s Situation, image: &'s ImageName) -> BTreeSet<&'s Bringer> {
    let (mut below, mut open) = (BTreeSet::new(), vec![image]);
    while let Some(image) = open.pop() {
        let new = situation.parents.get(image).into_iter().flatten().filter(|parent| below.insert(*parent));
        open.extend(new.filter_map(|parent| if let Bringer::Image(parent) = parent { Some(parent) } else { None }));
    }
    below
}

/// What was found to be needed.
#[derive(Default)]
pub(super) struct Needs<'s> {
    rebuilds: BTreeMap<&'s ImageName, BTreeSet<Reason>>,
    bases: BTreeMap<&'s ImageRef, BTreeSet<(Problem, Outlook)>>,
    hopeless: BTreeSet<Hopeless>,
}

impl<'s> Needs<'s> {
    /// What one problem needs, from the images that run with it down to who brings it in.
    pub(super) fn take(&mut self, spread: &Spread<'s>, curable: &BTreeSet<&'s ImageName>) {
        let running = spread.findings.iter().filter(|(image, _)| spread.situation.running.contains(**image));
        let (well, ill): (Vec<_>, Vec<_>) = running.partition(|(image, _)| curable.contains(**image));
        self.follow(spread, well.into_iter().map(|(image, _)| *image).collect(), true);
        for (image, findings) in &ill {
            let by: BTreeSet<_> = findings.iter().map(|finding| finding.by.clone()).collect();
            self.hopeless.insert(Hopeless { image: (**image).clone(), problem: spread.problem.clone(), by: by.into_iter().collect() });
        }
        // Where there is no cure, nothing is rebuilt for it; but which bases it waits for is worth knowing.
        self.follow(spread, ill.into_iter().map(|(image, _)| *image).collect(), false);
    }

    fn follow(&mut self, spread: &Spread<'s>, mut open: Vec<&'s ImageName>, rebuild: bool) {
        let mut seen = BTreeSet::new();
        while let Some(image) = open.pop() {
            if !seen.insert(image) {
                continue;
            }
            for source in spread.sources(image) {
                match source {
                    Source::Image(parent) => open.push(parent),
                    Source::Base(base, fix) => _ = self.bases.entry(base).or_default().insert((spread.problem.clone(), spread.outlook(base, fix))),
                    _ => {}
                }
                if rebuild {
                    self.rebuilds.entry(image).or_default().insert(Reason { problem: spread.problem.clone(), because: source.because() });
                }
            }
        }
    }

    /// `order` has parents before children.
    pub(super) fn into_cure(mut self, order: &[&'s ImageName]) -> Cure {
        let rebuilds = order.iter().filter_map(|image| self.rebuilds.remove(image).map(|reasons| ((*image).clone(), reasons)));
        let images = rebuilds.map(|(image, reasons)| Rebuild { image, reasons: reasons.into_iter().collect() }).collect();
        let bases = self.bases.into_iter().map(|(base, problems)| BaseMove { base: base.clone(), problems: problems.into_iter().collect() });
        Cure { images, bases: bases.collect(), hopeless: self.hopeless.into_iter().collect() }
    }
}

impl Source<'_> {
    fn because(self) -> Because {
        match self {
            Self::Itself(Some(Fix::Version(version))) => Because::BringsIt { fixed: Some(version.clone()) },
            Self::Itself(_) => Because::BringsIt { fixed: None },
            Self::Image(parent) => Because::StandsOn(parent.clone()),
            Self::Base(base, _) => Because::StandsOnBase(base.clone()),
            Self::Past(by) => Because::StoodOn(by.clone()),
        }
    }
}
