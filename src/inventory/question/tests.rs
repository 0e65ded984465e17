//! What is asked for is found, and what is not asked for is not.

use proptest::prelude::*;

use super::*;
use crate::inventory::SourcePackage;

/// A package, written `kind name version [source source-version]`.
fn package(text: &str) -> Package {
    let parts: Vec<&str> = text.split(' ').collect();
    let source = parts.get(3).map(|name| SourcePackage { name: (*name).into(), version: (*parts.get(4).unwrap_or(&parts[2])).into() });
    let (name, version) = (parts[1].into(), parts[2].into());
    Package { kind: parts[0].parse().unwrap(), name, version, arch: Some("amd64".into()), license: None, source }
}

fn ask(text: &str) -> Question {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn a_question_finds_what_it_asks_for() {
    //    asked                            package                                              is meant
    for (asked, there, is_meant) in [
        ("openssl", "deb openssl 3.0.15-1", true),
        ("openssl", "deb openssh 3.0.15-1", false),
        ("openssl<3.0.15", "deb libssl3 3.0.14-1~deb12u2 openssl", true),
        ("openssl<3.0.15", "deb libssl3 3.0.15-1~deb12u1 openssl", false),
        ("libssl3<3.0.15", "deb libssl3 3.0.14-1~deb12u2 openssl", true),
        ("gcc-12<12.3", "deb libgcc-s1 12.2.0-14+deb12u1 gcc-12", true),
        // The version that counts is that of whatever has the name.
        ("gcc-defaults<1.204", "deb gcc 4:12.2.0-3 gcc-defaults 1.203", true),
        ("gcc<12", "deb gcc 4:12.2.0-3 gcc-defaults 1.203", false),
        ("openssl>=3,<3.0.15", "apk libssl3 3.1.4-r5 openssl", false),
        ("openssl >= 3 , < 3.2", "apk libssl3 3.1.4-r5 openssl", true),
        ("openssl=3.1.4", "apk libssl3 3.1.4-r5 openssl", true),
        ("openssl==3.1.4-r5", "apk libssl3 3.1.4-r5 openssl", true),
        ("openssl!=3.1.4", "apk libssl3 3.1.4-r5 openssl", false),
        ("openssl>3.1.4", "apk libssl3 3.1.4-r5 openssl", false),
        ("openssl<=3.0.7", "rpm openssl-libs 1:3.0.7-24.el9 openssl 1:3.0.7-24.el9", true),
        ("deb:openssl<3.0.15", "rpm openssl 1:3.0.7-24.el9", false),
        ("npm:@babel/core<7.23.2", "npm @babel/core 7.22.0", true),
        ("@babel/core<7.22", "npm @babel/core 7.22.0", false),
        ("maven:org.slf4j:slf4j-api<2", "maven org.slf4j:slf4j-api 1.7.36", true),
        ("org.slf4j:slf4j-api<2", "maven org.slf4j:slf4j-api 2.0.9", false),
        ("*:log4j-core<2.17.1", "maven org.apache.logging.log4j:log4j-core 2.14.1", true),
        ("git.sr.ht/~sircmpwn/getopt=1.0.0", "golang git.sr.ht/~sircmpwn/getopt v1.0.0", true),
        ("golang.org/x/net<0.23", "golang golang.org/x/net v0.17.0", true),
        ("libstdc++6", "deb libstdc++6 12.2.0-14", true),
        ("libssl*", "deb libssl1.1 1.1.1w-0+deb11u1", true),
        ("lib*l3", "deb libssl3 3.0.15-1", true),
        ("lib*l3", "deb libssl3t64 3.0.15-1", false),
        ("*", "gem rack 2.2.8", true),
        ("gem:*<2", "gem rack 2.2.8", false),
        ("PyYAML<6.0.1", "pypi pyyaml 6.0", true),
        ("typing_extensions", "pypi typing-extensions 4.9.0", true),
        ("PyYAML", "npm pyyaml 6.0.0", false),
        ("pkg:npm/JSONStream@1.3.5", "npm JSONStream 1.3.5", true),
        ("pkg:npm/jsonstream@1.3.5", "npm JSONStream 1.3.5", false),
        ("Symfony/Console", "composer symfony/console 6.4.0", true),
        ("torch=2.1.0+cpu", "pypi torch 2.1.0+cpu", true),
        ("x=1!2.0", "pypi x 1!2.0", true),
        ("pkg:deb/debian/libssl3@3.0.15-1?arch=amd64&distro=debian-12", "deb libssl3 3.0.15-1", true),
        ("pkg:deb/debian/libssl3@3.0.15-1?arch=arm64", "deb libssl3 3.0.15-1", false),
        ("pkg:deb/debian/openssl?arch=source", "deb libssl3 3.0.15-1 openssl", true),
        ("pkg:rpm/rocky/openssl@3.0.7-24.el9?epoch=1", "rpm openssl 1:3.0.7-24.el9", true),
        ("pkg:rpm/rocky/openssl@3.0.7-24.el9?epoch=2", "rpm openssl 1:3.0.7-24.el9", false),
        ("pkg:npm/%40babel/core<7.23.2", "npm @babel/core 7.22.0", true),
        ("pkg:npm/lodash>=4,<4.17.21", "npm lodash 4.17.21", false),
        ("pkg:npm/lodash=4.17.21", "npm lodash 4.17.21", true),
        ("pkg:npm/lodash", "deb lodash 4.17.21", false),
        ("pkg:pypi/PyYAML", "pypi pyyaml 6.0", true),
        ("pkg:deb/debian/libc6?arch=amd64<2.37", "deb libc6 2.36-9", true),
    ] {
        assert_eq!(ask(asked).matches(&package(there)), is_meant, "{asked} of {there}");
    }
}

#[test]
fn a_licence_is_found_where_a_word_of_it_begins() {
    //    asked            licence                              is meant
    for (asked, license, is_meant) in [
        ("MIT", "MIT", true),
        ("mit", "(MIT OR Apache-2.0)", true),
        ("MIT", "LIMITED", false),
        ("GPL", "GPL-2.0-only", true),
        ("GPL", "GNU General Public License v3 (GPLv3)", true),
        ("GPL", "LGPL-2.1-or-later", false),
        ("*gpl*", "LGPL-2.1-or-later", true),
        ("GPL-3.0*", "MIT AND GPL-3.0-or-later WITH GCC-exception-3.1", true),
        ("GPL-3.0*", "GPL-2.0-only", false),
        ("GPL-3*", "GPL-2+ and GPL-3+", true),
        ("or", "MIT OR Apache-2.0", true),
        ("o*", "MIT OR Apache-2.0", false),
        ("bsd license", "OSI Approved :: BSD License", true),
    ] {
        let mut there = package("deb a 1");
        assert!(!Question::of_license(asked).unwrap().matches(&there), "none is said");
        there.license = Some(license.into());
        assert_eq!(Question::of_license(asked).unwrap().matches(&there), is_meant, "{asked} of {license}");
    }
}

#[test]
fn a_store_learns_which_names_to_look_up() {
    for (asked, names) in [
        ("deb:libssl3<3", &["libssl3"][..]),
        ("PyYAML", &["PyYAML", "pyyaml"]),
        ("Zope.Interface", &["Zope.Interface", "zope-interface", "zope.interface"]),
        ("npm:Base64", &["Base64"]),
        ("pkg:maven/org.slf4j/slf4j-api@1", &["org.slf4j:slf4j-api"]),
    ] {
        assert_eq!(ask(asked).names(), Names::Exact(names.iter().map(|name| Cow::Borrowed(*name)).collect()), "{asked}");
    }
    assert_eq!(ask("lib*ssl*").names(), Names::Any);
    assert_eq!(ask("*").names(), Names::Any);
    assert_eq!(Question::of_license("MIT").unwrap().names(), Names::Any);
    let asked = ask(" pkg:deb/Debian/openssl ");
    assert_eq!((asked.kind(), asked.distro(), asked.to_string().as_str()), (Some(Kind::Deb), Some("debian"), "pkg:deb/Debian/openssl"));
    assert_eq!((ask("golang.org/x/net").kind(), ask("npm:a").kind()), (None, Some(Kind::Npm)));
}

#[test]
fn what_asks_for_nothing_is_refused_at_its_place() {
    let many = format!("a{}", vec!["<1"; 17].join(","));
    let long = "a".repeat(2_000);
    //    written               column  what is wrong
    for (written, column, what) in [
        ("", 1, "no package is named"),
        ("<3", 1, "no package is named"),
        ("deb:", 5, "no package is named"),
        ("openssl<", 9, "no version follows `<`"),
        ("openssl>=3,", 12, "a bound begins with one of < <= = == != > >="),
        ("openssl>=3,4", 12, "a bound begins with one of < <= = == != > >="),
        ("openssl<3 <4", 10, "the version ends here, and more follows"),
        ("openssl<<3", 9, "the version ends here, and more follows"),
        ("openssl=3.0.*", 13, "a version has no `*`"),
        ("openssl 3.0", 8, "no name of a package has ' '"),
        ("openssl!3", 8, "a bound begins with one of < <= = == != > >="),
        ("ä ö<1", 2, "no name of a package has ' '"),
        ("openssl~=3", 8, "`~=` is no operator"),
        ("openssl^1", 8, "no name of a package has '^'"),
        ("lodash@4.17.20", 7, "`@` parts no version from a name"),
        ("npm:@babel/core@7", 16, "`@` parts no version from a name"),
        (&many, 50, "a question has at most 16 bounds"),
        (&long, 1025, "a question has at most 1024 bytes"),
    ] {
        let error = written.parse::<Question>().unwrap_err();
        assert_eq!((error.column, error.what.as_str()), (column, what), "{written}");
        assert!(!error.help.is_empty());
    }
    assert_eq!("lodash@4.17.20".parse::<Question>().unwrap_err().help, "write it as `lodash=4.17.20`");
    assert_eq!("a b".parse::<Question>().unwrap_err().to_string(), "no name of a package has ' ', at column 2 of `a b`");
    assert_eq!(Question::of_purl("pkg:npm/a@1<2").unwrap_err().what, "a range follows a version");
    assert_eq!(Question::of_purl("openssl").unwrap_err().what, "a package URL begins with `pkg:`");
    assert_eq!(Question::of_license(" ").unwrap_err().what, "no licence is said");
}

/// What a pattern means, said the slow way.
fn matches_slowly(pattern: &[u8], text: &[u8]) -> bool {
    match pattern {
        [] => text.is_empty(),
        [b'*', rest @ ..] => (0..=text.len()).any(|at| matches_slowly(rest, &text[at..])),
        [first, rest @ ..] => text.first() == Some(first) && matches_slowly(rest, &text[1..]),
    }
}

proptest! {
    #[test]
    fn no_text_is_too_odd_to_ask(text in "(pkg:)?[a-z@:/*<>=!,?&#% é-]{0,16}", name in "[a-z*]{1,4}") {
        let (parsed, purl, license) = (text.parse::<Question>(), Question::of_purl(&text), Question::of_license(&text));
        for question in [parsed, purl, license].into_iter().flatten() {
            question.matches(&package(&format!("deb {name} 1")));
        }
    }

    #[test]
    fn a_pattern_matches_what_its_stars_can_become(pattern in "[ab*]{0,6}", text in "[ab]{0,8}") {
        prop_assert_eq!(Glob::new(pattern.clone()).matches(&text), matches_slowly(pattern.as_bytes(), text.as_bytes()));
    }

    #[test]
    fn below_and_from_a_bound_on_is_everything(
        kind in proptest::sample::select(&Kind::ALL[..]),
        version in "[0-9][0-9a-c.~+-]{0,6}",
        bound in "[0-9][0-9a-c.~+-]{0,6}",
    ) {
        let there = package(&format!("{kind} a {version}"));
        let is_met = |sign: &str| ask(&format!("a{sign}{bound}")).matches(&there);
        prop_assert_ne!(is_met("<"), is_met(">="));
        prop_assert_ne!(is_met(">"), is_met("<="));
        prop_assert_ne!(is_met("="), is_met("!="));
        prop_assert_eq!(is_met("<="), is_met("<") || is_met("="));
    }

    /// A store that looks names up finds all that the question means.
    #[test]
    fn what_is_meant_is_among_the_names(pattern in "[a-c*_.A]{1,4}", name in "[a-c_.A-]{1,4}", kind in proptest::sample::select(&Kind::ALL[..])) {
        let question = ask(&pattern);
        if question.matches(&package(&format!("{kind} {name} 1"))) {
            match question.names() {
                Names::Exact(names) => prop_assert!(names.contains(name.as_str())),
                Names::Any => {}
            }
        }
    }
}
