//! Stages that wait for one another: BuildKit's frontend refuses the whole file for them, whichever stage is built.

use super::types::{RefKind, RefTarget, Reference};

/// The first stage, in the order of the text, from which a ring of stages is reached that copy from or mount one another.
///
/// As the frontend has it, which asks before it looks at bases and their triggers: neither FROM nor ONBUILD counts. O(stages + references).
/// Source: `hasCircularDependency` in BuildKit's `dockerfile2llb/convert.go`.
pub(super) fn leads_to_a_ring(stages: usize, references: &[Reference]) -> Option<usize> {
    let mut needs: Vec<Vec<usize>> = vec![Vec::new(); stages];
    for reference in references.iter().filter(|reference| reference.kind != RefKind::From && !reference.onbuild) {
        if let RefTarget::Stage(needed) = reference.target {
            needs[reference.stage].push(needed);
        }
    }
    let (mut visited, mut on_path) = (vec![false; stages], vec![false; stages]);
    // A path of its own instead of recursion: a file may have more stages than the stack has room for.
    (0..stages).find(|&start| {
        let mut path = Vec::new();
        if !std::mem::replace(&mut visited[start], true) {
            on_path[start] = true;
            path.push(start);
        }
        while let Some(&stage) = path.last() {
            match needs[stage].pop() {
                Some(next) if on_path[next] => return true,
                Some(next) if visited[next] => {}
                Some(next) => {
                    (visited[next], on_path[next]) = (true, true);
                    path.push(next);
                }
                None => {
                    on_path[stage] = false;
                    path.pop();
                }
            }
        }
        false
    })
}
