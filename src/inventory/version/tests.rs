//! The order is an order, and it is the one that each ecosystem's own tool has.

use std::cmp::Ordering;

use proptest::prelude::*;

use super::*;

/// What the tools said, as their tables are kept: `older<TAB><<TAB>newer`, one pair a line.
fn holds(kind: Kind, table: &str) {
    let mut wrong = Vec::new();
    for line in table.lines().filter(|line| !line.is_empty()) {
        let [a, said, b] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line:?} is no pair") };
        let said = match said {
            "<" => Ordering::Less,
            "=" => Ordering::Equal,
            ">" => Ordering::Greater,
            other => panic!("{other:?} is no order"),
        };
        if compare(kind, a, b) != said || compare(kind, b, a) != said.reverse() {
            wrong.push(format!("{line}: {:?}", compare(kind, a, b)));
        }
    }
    assert!(wrong.is_empty(), "{kind}: {} of {} differ:\n{}", wrong.len(), table.lines().count(), wrong.join("\n"));
    assert!(table.lines().count() >= 200, "{kind}: the table is there");
}

macro_rules! tables {
    ($($name:ident: $kind:ident $file:literal;)*) => {$(
        #[test]
        fn $name() {
            holds(Kind::$kind, include_str!(concat!("../../../tests/inventory/version/", $file, ".tsv")));
        }
    )*};
}

tables! {
    the_order_of_debian_is_dpkgs: Deb "deb";
    the_order_of_alpine_is_apks: Apk "apk";
    the_order_of_red_hat_is_rpms: Rpm "rpm";
    the_order_of_python_is_packagings: PyPi "pypi";
    the_order_of_node_is_npms: Npm "npm";
    the_order_of_go_is_its_own_modules: Golang "golang";
    the_order_of_java_is_mavens: Maven "maven";
    the_order_of_ruby_is_gems: Gem "gem";
    the_order_of_php_is_composers: Composer "composer";
}

#[test]
fn cargos_order_is_that_of_semantic_versions() {
    let written = "0.0.0-0 0.0.0 0.9.9 1.0.0-alpha 1.0.0-alpha.1 1.0.0-alpha.beta 1.0.0-beta 1.0.0-beta.2 1.0.0-beta.11 1.0.0-rc.1 1.0.0 1.0.1";
    let sorted: Vec<&str> = written.split(' ').collect();
    for (i, a) in sorted.iter().enumerate() {
        for (j, b) in sorted.iter().enumerate() {
            assert_eq!(compare(Kind::Cargo, a, b), i.cmp(&j), "{a} {b}");
        }
    }
    assert_eq!(compare(Kind::Cargo, "1.0.0+a", "1.0.0+b"), Ordering::Equal);
}

#[test]
fn what_is_no_version_is_older_than_all_that_are() {
    for (kind, odd, version) in [
        (Kind::PyPi, "2004d-final", "0.dev0"),
        (Kind::Npm, "latest", "0.0.0-0"),
        (Kind::Golang, "(devel)", "v0.0.0-00010101000000-000000000000"),
        (Kind::Composer, "dev-main", "0.0.0-dev"),
        (Kind::Apk, "master", "0_alpha"),
    ] {
        assert_eq!(compare(kind, odd, version), Ordering::Less, "{odd} {version}");
        assert_eq!(compare(kind, odd, odd), Ordering::Equal);
        assert_ne!(compare(kind, odd, "other"), Ordering::Equal, "two oddities are two");
    }
}

/// Facts of apk-tools' own test table (`test/version.data`).
#[test]
fn alpines_oddities_are_in_order() {
    for (older, newer) in [
        ("4_beta", "23_foo"),
        ("1.0", "1.0bc"),
        ("0.1.0_alpha_pre2", "0.1.0_alpha"),
        ("1.0.0_pre20191002222144-r0", "1.0.0_pre20210530193627-r0"),
        ("0.9.28-r2", "0.9.28.1"),
        ("1.06-r6", "006"),
        ("021109-r3", "20060512"),
        ("5b-r9", "087-r1"),
        ("1.2.07.8", "1.2.12.04"),
        ("1.3_pre1-r1", "1.3.2"),
    ] {
        assert_eq!(compare(Kind::Apk, older, newer), Ordering::Less, "{older} {newer}");
    }
}

#[test]
fn gos_own_versions_are_in_order() {
    let sorted = ["go1.9", "go1.21rc2", "go1.21rc10", "1.21.0", "go1.21.1", "go1.21.3 X:boringcrypto", "v1.22.0"];
    for pair in sorted.windows(2) {
        assert_eq!(compare(Kind::Golang, pair[0], pair[1]), Ordering::Less, "{pair:?}");
    }
}

#[test]
fn a_bound_asks_for_no_more_than_it_says() {
    use Ordering::*;
    //    kind         version                  bound            order
    for (kind, version, bound, order) in [
        (Kind::Deb, "3.0.15-1~deb12u1", "3.0.15", Equal),
        (Kind::Deb, "3.0.14-1~deb12u2", "3.0.15", Less),
        (Kind::Deb, "1:2.39.5-0+deb12u2", "2.40", Less),
        (Kind::Deb, "1:2.39.5-0+deb12u2", "1:2.39.5-0+deb12u3", Less),
        (Kind::Deb, "2:1.0-1", "1:9.0", Greater),
        (Kind::Deb, "2.36-9+deb12u10", "2.36-9+deb12u9", Greater),
        (Kind::Rpm, "1:3.0.7-24.el9", "3.0.15", Less),
        (Kind::Rpm, "1:3.0.7-24.el9", "3.0.7", Equal),
        (Kind::Rpm, "1:3.0.7-24.el9", "3.0.7-27.el9", Less),
        (Kind::Rpm, "3.0.7-24.el9", "1:3.0.7", Less),
        (Kind::Apk, "3.1.4-r5", "3.1.4", Equal),
        (Kind::Apk, "3.1.4-r5", "3.1.4-r6", Less),
        (Kind::PyPi, "1!2.0", "2.0", Equal),
        (Kind::Npm, "1.0.0-1", "1.0.0", Less),
    ] {
        assert_eq!(compare_to_bound(kind, version, bound), order, "{kind} {version} to {bound}");
    }
}

/// Versions as they are, as they nearly are, and anything at all.
fn any_version() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => "[0-9]{1,2}([.][0-9]{1,2}|[-._~^+:!]?(a|b|m|rc|alpha|beta|pre|post|dev|p|r|x|sp|ga|final|git|snapshot|zz)?[-.]?[0-9]?){0,5}",
        3 => "v?[0-9a-c.~^+:!_-]{0,8}",
        1 => "\\PC{0,8}",
    ]
}

fn any_kind() -> impl Strategy<Value = Kind> {
    proptest::sample::select(&Kind::ALL[..])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn every_kind_has_a_total_order(kind in any_kind(), versions in proptest::collection::vec(any_version(), 3..6)) {
        for a in &versions {
            prop_assert_eq!(compare(kind, a, a), Ordering::Equal);
            for b in &versions {
                let a_b = compare(kind, a, b);
                prop_assert_eq!(a_b, compare(kind, b, a).reverse(), "{} {:?} {:?}", kind, a, b);
                for c in &versions {
                    if a_b == compare(kind, b, c) || compare(kind, b, c).is_eq() {
                        prop_assert_eq!(compare(kind, a, c), a_b, "{} {:?} {:?} {:?}", kind, a, b, c);
                    }
                }
            }
        }
    }

    #[test]
    fn a_bound_never_fails(kind in any_kind(), version in any_version(), bound in any_version()) {
        compare_to_bound(kind, &version, &bound);
        prop_assert_eq!(compare_to_bound(kind, &version, &version), Ordering::Equal);
    }
}
