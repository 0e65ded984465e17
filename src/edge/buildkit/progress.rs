//! From BuildKit's stream of states to steps that began or ended, each said once.

use std::collections::HashMap;

use bollard_buildkit_proto::moby::buildkit::v1::{StatusResponse, Vertex};

use super::words::clean;
use crate::edge::{BuildProgress, BuildStepSeen};

/// How BuildKit's exporters for the engine's own image store call what they do.
const STORING: &str = "exporting to image";

/// Remembers what was said of each step; BuildKit repeats itself.
#[derive(Default)]
pub(super) struct Steps {
    said: HashMap<String, BuildStepSeen>,
}

impl Steps {
    pub(super) fn tell(&mut self, news: StatusResponse, progress: &dyn BuildProgress) {
        for vertex in news.vertexes {
            if let Some(step) = self.changed(vertex) {
                if step.name == STORING {
                    progress.storing();
                }
                progress.step(step);
            }
        }
        for log in news.logs {
            progress.output(&log.msg);
        }
    }

    /// The step, if it has begun and this is new.
    fn changed(&mut self, vertex: Vertex) -> Option<BuildStepSeen> {
        if vertex.started.is_none() && vertex.completed.is_none() && !vertex.cached {
            return None;
        }
        let error = (!vertex.error.is_empty()).then(|| clean(&vertex.error));
        let step = BuildStepSeen { name: vertex.name, ended: vertex.completed.is_some(), cached: vertex.cached, error };
        let before = self.said.insert(vertex.digest, step.clone());
        (before.as_ref() != Some(&step)).then_some(step)
    }
}

#[cfg(test)]
mod tests {
    use bollard_buildkit_proto::google::protobuf::Timestamp;
    use bollard_buildkit_proto::moby::buildkit::v1::VertexLog;
    use std::sync::Mutex;

    use super::*;

    #[derive(Default)]
    struct Said(Mutex<Vec<String>>);
    impl BuildProgress for Said {
        fn step(&self, step: BuildStepSeen) {
            let state = if step.cached {
                "cached"
            } else if step.ended {
                "ended"
            } else {
                "began"
            };
            self.0.lock().unwrap().push(format!("{} {state} {}", step.name, step.error.unwrap_or_default()).trim().to_owned());
        }
        fn output(&self, text: &[u8]) {
            self.0.lock().unwrap().push(String::from_utf8_lossy(text).into_owned());
        }
        fn storing(&self) {
            self.0.lock().unwrap().push("the builder's hands are free".to_owned());
        }
    }

    #[test]
    fn each_state_of_a_step_is_said_once() {
        let vertex = |digest: &str, started: bool, completed: bool, error: &str| Vertex {
            digest: digest.into(),
            name: format!("step {digest}"),
            started: started.then(Timestamp::default),
            completed: completed.then(Timestamp::default),
            error: error.into(),
            ..Vertex::default()
        };
        let said = Said::default();
        let mut steps = Steps::default();
        let news = |vertexes| StatusResponse { vertexes, ..StatusResponse::default() };
        steps.tell(news(vec![vertex("a", false, false, ""), vertex("b", true, false, "")]), &said);
        steps.tell(news(vec![vertex("b", true, false, "")]), &said);
        steps.tell(StatusResponse { logs: vec![VertexLog { msg: b"hello\n".to_vec(), ..VertexLog::default() }], ..news(vec![]) }, &said);
        steps.tell(news(vec![vertex("b", true, true, "rpc error: code = Unknown desc = bad")]), &said);
        assert_eq!(*said.0.lock().unwrap(), ["step b began", "hello\n", "step b ended bad"]);
    }

    #[test]
    fn the_builder_s_hands_are_free_when_it_stores() {
        let said = Said::default();
        let vertex = Vertex { digest: "x".into(), name: "exporting to image".into(), started: Some(Timestamp::default()), ..Vertex::default() };
        Steps::default().tell(StatusResponse { vertexes: vec![vertex], ..StatusResponse::default() }, &said);
        assert_eq!(*said.0.lock().unwrap(), ["the builder's hands are free", "exporting to image began"]);
    }
}
