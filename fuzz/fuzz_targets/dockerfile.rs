//! Any bytes as a Dockerfile: without pins the text stays as it is, and with pins only references change.

#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use refit_fuzz::dockerfile::{ReadOptions, pin, read};

fuzz_target!(|text: &[u8]| {
    let Ok(dockerfile) = read(text, &ReadOptions::default()) else { return };
    assert_eq!(pin(text, &dockerfile, &BTreeMap::new()), text);
    let pins: BTreeMap<String, String> = dockerfile.references.iter().map(|reference| (reference.resolved.clone(), "p".to_owned())).collect();
    pin(text, &dockerfile, &pins);
    for reference in &dockerfile.references {
        assert!(text.get(reference.span.clone()).is_some(), "{reference:?} is not in the text");
    }
    let _ = (dockerfile.target(None), dockerfile.followed(None), dockerfile.reached(None));
});
