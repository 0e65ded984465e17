//! `refit patch`: what is to be done, before it is planned.

use crate::advisory::{Because, Bringer, Outlook};
use crate::inquiry::Remedy;

/// Said where versions are to be gone and none is known to name instead.
const NO_FIX: &str = "no advisory that was read names another version that everybody gets";

/// Who brings it in, what is known of a fix, and what nobody can cure yet.
pub fn remedy(remedy: &Remedy) -> Vec<String> {
    if remedy.is_gone() {
        return vec![format!("no container has {}", remedy.gone)];
    }
    let mut lines = Vec::new();
    for base in &remedy.cure.bases {
        let name = base.base.familiar();
        for (problem, outlook) in &base.problems {
            let package = &problem.package;
            lines.push(match outlook {
                Outlook::Cured(digest) => format!("base {name} brings in {package}; sha256:{} is newer and does not have it", digest.short()),
                Outlook::Newer(digest) => format!("base {name} brings in {package}; sha256:{} is newer, and was not read", digest.short()),
                Outlook::Fixed(version) => format!(
                    "base {name} brings in {package}, and nothing newer of it is without it; it is fixed in {version}, which steps that upgrade packages may bring"
                ),
                Outlook::Possible => format!(
                    "base {name} brings in {package}, and nothing newer of it is without it; it is to be no longer {}, which steps that upgrade packages may bring about ({NO_FIX})",
                    remedy.gone
                ),
                Outlook::Unknown => format!("base {name} brings in {package}, and no fix is known that everybody gets"),
            });
        }
    }
    for rebuild in &remedy.cure.images {
        for reason in &rebuild.reasons {
            if let Because::BringsIt { fixed } = &reason.because {
                let fix = match fixed {
                    Some(version) => format!("fixed in {version}"),
                    None => format!("to be no longer {} ({NO_FIX})", remedy.gone),
                };
                lines.push(format!("image {} brings in {} by its own steps; it is {fix}", rebuild.image, reason.problem.package));
            }
        }
    }
    for (service, one) in &remedy.as_they_are {
        let base = one.base.familiar();
        lines.push(match one.is_cured {
            true => format!("service {service} runs {base} as it is; what is newer of it does not have it"),
            false => format!("service {service} runs {base} as it is, and nothing newer of it is known to be without it"),
        });
    }
    for service in &remedy.left_behind {
        lines.push(format!("service {service} runs an older build, and the newest release is without it: `refit rollout {service}` moves it"));
    }
    for hopeless in &remedy.cure.hopeless {
        let by: Vec<String> = hopeless.by.iter().map(bringer).collect();
        lines.push(format!(
            "image {} keeps {}: {} brings it in, and no fix is known that everybody gets",
            hopeless.image,
            hopeless.problem.package,
            by.join(", ")
        ));
    }
    lines
}

fn bringer(by: &Bringer) -> String {
    match by {
        Bringer::Image(image) => format!("image {image}"),
        Bringer::Base(base) => format!("base {}", base.familiar()),
    }
}
