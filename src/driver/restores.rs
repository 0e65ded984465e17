//! Finds the copies of volumes that hold what a service had when it was on a release.

use futures_util::future::join_all;

use super::{Driver, DriverError};
use crate::edge::SnapshotSeen;
use crate::journal::JournalError;
use crate::model::{HostName, MountSource, ReleaseNumber};
use crate::pipeline::{self, Service};
use crate::plan::{Change, Plan, Restore};
use crate::release::ServiceRelease;
use crate::run::Event;

impl Driver {
    /// Adds to each service of a way back the copies that are put back.
    pub async fn restore_data(&self, plan: &mut Plan) -> Result<(), DriverError> {
        let Change::Release(target) = plan.change else { return Ok(()) };
        let release = self.release(target)?;
        for roll in &mut plan.rolls {
            let (service, released) = (self.estate.services.get(&roll.service), release.services.get(&roll.service));
            let Some((service, released)) = service.zip(released) else { continue };
            roll.restore = self.restores(service, target, released).await?;
            let note = |restore: &Restore| {
                format!("{}: volume {} gets what {} holds; what it holds now is copied first", restore.host, restore.volume, restore.copy)
            };
            roll.notes.extend(roll.restore.iter().map(note));
        }
        Ok(())
    }

    /// The newest whole copy, on each host of the service, of each volume that it wrote as it was in this release. Errors with every copy that there
    /// is not: half of the data is not put back.
    pub async fn restores(&self, service: &Service, release: ReleaseNumber, released: &ServiceRelease) -> Result<Vec<Restore>, DriverError> {
        let mounts = released.container.mounts.iter().filter(|mount| !mount.read_only);
        let volumes: Vec<&str> =
            mounts.filter_map(|mount| if let MountSource::Volume { name, .. } = &mount.source { Some(name.as_str()) } else { None }).collect();
        let mut lines = Vec::new();
        if volumes.is_empty() {
            lines.push(format!("{} wrote no named volume in {release}", service.name));
        }
        if service.concurrent {
            lines.push(format!("several containers of {} write its volumes at once (`concurrent`), and not all of them stop at once", service.name));
        }
        for volume in &volumes {
            if let Some(other) = pipeline::another_writer(service, volume, self.estate.services.values(), &self.estate.hosts) {
                lines.push(format!("{} writes volume {volume} too, on the same host, and does not stop while it is put back", other.name));
            }
        }
        let seen = join_all(service.hosts.iter().map(|host| async move { (host, self.snapshots_on(host).await) })).await;
        let mut restores = Vec::new();
        for (host, seen) in seen {
            let seen = match seen {
                Ok(seen) => seen,
                Err(error) => {
                    lines.push(format!("{host}: {error}"));
                    continue;
                }
            };
            for volume in &volumes {
                match self.newest(&seen, volume, released)? {
                    Some(copy) => restores.push(Restore { host: host.clone(), volume: (*volume).to_owned(), copy }),
                    None => lines.push(format!("{host} has no copy of volume {volume} from when {} was on {release}", service.name)),
                }
            }
        }
        if lines.is_empty() {
            return Ok(restores);
        }
        let next = "go back without `--with-data`, or to a release of whose time there are copies: `data: { snapshot: before }` makes one before \
                    each rollout, and `docker volume ls --filter label=io.refit.volume` on a host lists them";
        Err(DriverError::Several { what: format!("the data of {} cannot be put back", service.name), lines, next: next.to_owned() })
    }

    async fn snapshots_on(&self, host: &HostName) -> Result<Vec<SnapshotSeen>, DriverError> {
        Ok(self.host(host)?.snapshots(&self.estate.name).await?)
    }

    /// A copy counts when the journal says that it was proven; one that refit died over may lack anything.
    fn newest(&self, seen: &[SnapshotSeen], volume: &str, released: &ServiceRelease) -> Result<Option<String>, DriverError> {
        let mut of_then: Vec<&SnapshotSeen> = seen.iter().filter(|one| one.volume == volume && one.spec == Some(released.spec_hash())).collect();
        of_then.sort_by_key(|one| std::cmp::Reverse(one.run));
        for one in of_then {
            let events = match self.journal.events(one.run) {
                // Another journal's run.
                Err(JournalError::NoSuchRun { .. }) => continue,
                other => other?,
            };
            if events.iter().any(|recorded| matches!(&recorded.event, Event::Copied { to, .. } if *to == one.name)) {
                return Ok(Some(one.name.clone()));
            }
        }
        Ok(None)
    }
}
