//! The room as a whole: what is read, what is refused, what is reached, and that pinning changes nothing else.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn read_str(text: &str) -> Result<Dockerfile, DockerfileError> {
    read(text.as_bytes(), &ReadOptions::default())
}

/// `name=resolved` of each stage, with `>` before a stage's name, then what else is reached: `stage<raw`.
fn summary(text: &str) -> String {
    let dockerfile = match read_str(text) {
        Ok(dockerfile) => dockerfile,
        Err(_) => return "refused".to_owned(),
    };
    let target = |r: &Reference| match &r.target {
        RefTarget::Stage(stage) => format!(">{stage}"),
        RefTarget::Image(image) => image.familiar(),
        RefTarget::Scratch => "scratch".to_owned(),
        RefTarget::Unresolved(_) => "?".to_owned(),
    };
    let shown = |r: &Reference| match r.kind {
        RefKind::From => format!("{}={}", dockerfile.stages[r.stage].name, target(r)),
        _ => format!("{}<{}{}", r.stage, target(r), ["", " onbuild", " pulled"][usize::from(r.onbuild) + usize::from(r.onbuild && r.own)]),
    };
    dockerfile.references.iter().map(shown).collect::<Vec<_>>().join(" ")
}

fn check(text: &str, expected: &str) {
    assert_eq!(summary(text), expected, "{text}");
}

#[test]
fn stages_and_their_names() {
    check("FROM a AS Build\nFROM build\nFROM Build", "build=a =>0 =?");
    check("FROM a\nFROM 0\nCOPY --from=0 a b\nRUN --mount=from=7 b", "=a =0 1<>0 1<7");
    check("FROM a AS x\nFROM x AS x\nFROM x\nCOPY --from=X a b", "x=a x=>0 =>1 2<>1");
    check("FROM scratch\nCOPY --from=scratch a b", "=scratch 0<scratch");
    check("FROM a AS scratch\nFROM scratch", "scratch=a =>0");
    check("FROM a\nCOPY --from=later a b\nFROM b AS later", "=a 0<>1 later=b");
    check("from a as b\nfrom c\ncopy --from=B a b", "b=a =c 1<>0");
}

/// Each was tried on a BuildKit.
#[test]
fn stages_that_cannot_be_had_are_refused_whatever_is_built() {
    let refused = |text: &str| match read_str(text) {
        Err(DockerfileError::Refused { line, why }) => format!("{line}: {why}"),
        other => panic!("{text}: {other:?}"),
    };
    let ring = |line: u32, name: &str| format!("{line}: circular dependency detected on stage: {name}");
    assert_eq!(refused("FROM a AS x\nCOPY --from=y / /\nFROM b AS y\nCOPY --from=x / /\nFROM c"), ring(1, "x"));
    assert_eq!(refused("FROM a\nFROM b AS x\nCOPY --from=x / /"), ring(2, "x"));
    assert_eq!(refused("FROM a\nCOPY --from=1 / /\nFROM b\nCOPY --from=0 / /"), ring(1, "stage-0"));
    assert_eq!(refused("FROM a AS x\nRUN --mount=from=y c\nFROM b AS y\nCOPY --from=x / /"), ring(1, "x"));
    assert_eq!(refused("FROM a\nCOPY --from=y / /\nFROM b AS y\nCOPY --from=y / /"), ring(1, "stage-0"));
    assert_eq!(refused("FROM a\nCOPY --from=7 / /\nFROM b"), "2: invalid stage index 7");
    assert_eq!(refused("FROM a\nCOPY --from=-1 / /"), "2: invalid stage index -1");
    assert_eq!(refused("FROM a AS x\nONBUILD COPY --from=7 / /\nFROM x"), "2: invalid stage index 7");
    // What the frontend takes: later stages, a ring over FROM or a trigger, a trigger that nobody pulls, an image called 7.
    check("FROM a\nCOPY --from=1 / /\nFROM b", "=a 0<>1 =b");
    check("FROM a AS x\nCOPY --from=y / /\nFROM x AS y", "x=a 0<>1 y=>0");
    check("FROM a AS x\nONBUILD COPY --from=y / /\nFROM x AS y", "x=a 0<>1 pulled y=>0");
    check("FROM a\nONBUILD COPY --from=7 / /", "=a 0<? onbuild");
    // Two ways to one stage are no ring, and a long row of stages needs no deep stack.
    check("FROM a\nFROM b\nCOPY --from=0 / /\nFROM c\nCOPY --from=0 / /\nCOPY --from=1 / /", "=a =b 1<>0 =c 2<>0 2<>1");
    let row: String = (0..50_000).map(|at| format!("FROM a\nCOPY --from={} / /\n", at + 1)).collect();
    assert!(read_str(&(row + "FROM a")).is_ok());
}

#[test]
fn arguments_of_a_from() {
    check("ARG V=1\nFROM a:$V", "=a:1");
    check("ARG V\nFROM a${V:+:}$V", "=a");
    check("ARG V\nFROM $V", "=?");
    check("ARG V\nFROM ${V-a}", "=a");
    check("ARG V\nFROM ${V:?set}", "=?");
    check("ARG A=1 B=2\nARG C=$A.$B\nFROM a:${C%.*}-${C#*.}-${C/./_}", "=a:1-2-1_2");
    check("ARG A='1 2'\nARG B=\"${A/ /-}\"\nFROM a:$B", "=a:1-2");
    check("FROM a:$TARGETARCH-$BUILDOS$TARGETVARIANT-$TARGETSTAGE", "=a:amd64-linux-default");
    check("ARG TARGETARCH\nFROM a:$TARGETARCH", "=a:amd64");
    let other = ReadOptions { platform: "linux/arm/v7".to_owned(), ..ReadOptions::default() };
    let for_other = read(b"FROM a:$TARGETARCH$TARGETVARIANT-on-$BUILDARCH", &other).unwrap();
    assert_eq!(for_other.references[0].resolved, "a:armv7-on-amd64");
    check("FROM a\nARG V=1\nFROM b$V", "=a =b");
    check("ARG S=x\nFROM a AS x\nFROM $S\nCOPY --from=$S a b", "x=a =>0 1<?");
    check("FROM \"a\"", "=a");
    check("ARG V=\"1\nFROM a", "refused");
    check("FROM ${V", "refused");
    check("FROM ${V:0:1}", "refused");
    let options = ReadOptions {
        build_args: BTreeMap::from([("V".to_owned(), "9".to_owned()), ("TARGETARCH".to_owned(), "arm".to_owned())]),
        ..ReadOptions::default()
    };
    let read = read(b"ARG V=1\nFROM a:$V-$W-$TARGETARCH", &options).unwrap();
    assert_eq!(read.references[0].resolved, "a:9--arm");
}

#[test]
fn lines_comments_and_directives() {
    check("\u{FEFF}# c\r\nFROM a \\\r\n  # in between\r\n\r\n  AS x\r\n", "x=a");
    check("# escape=`\nFROM a `\n AS x", "x=a");
    check("# escape=x\nFROM a", "refused");
    check("# escape=`\n# escape=`\nFROM a", "refused");
    check("# check=skip=all\n# escape=`\nFROM a:\\1", "=?");
    check("# c\n# escape=x\nFROM a", "=a");
    check("FROM a\\", "=a");
    check("FROM a \\\\\nAS b", "refused");
    check(&format!("FROM a\nRUN {}", "x".repeat(70_000)), "refused");
    for empty in ["", "\n\n", "# only\n", "ARG A=1\n"] {
        check(empty, "refused");
    }
}

#[test]
fn heredocs_hide_what_is_in_them() {
    check("FROM a\nRUN <<EOF\nFROM b\nEOF\nCOPY --from=c a b", "=a 0<c");
    check("FROM a\nRUN cat <<-A <<'B' >/x\n\tFROM b\n\tA\nFROM c\nB\nFROM d", "=a =d");
    check("FROM a\nONBUILD COPY <<E /x\nFROM b\nE\nFROM c", "=a =c");
    check("FROM a\nRUN <<EOF\n EOF\n", "refused");
    check("FROM a\nRUN [\"x\", \"<<EOF\"]\nFROM b", "=a =b");
    check("FROM a\nCMD <<EOF\nFROM b", "=a =b");
    check("FROM a\nRUN echo \"<<EOF\" $((1<<2))\nFROM b", "=a =b");
    check("FROM a\nCOPY a <<E\nE\n", "refused");
}

#[test]
fn what_instructions_reach_for() {
    check("FROM a\nRUN --mount=type=bind,from=b,target=/x --mount=\"from=c\" x", "=a 0<b 0<c");
    check("FROM a\nRUN --mount=from=$X x", "refused");
    check("FROM a\nRUN --mount=type=cache,target=$X x", "=a");
    check("FROM a AS s\nFROM b\nRUN --mount=from=S x", "s=a =b 1<>0");
    check("FROM a\nRUN --mount=from=0 x", "=a 0<0");
    check("FROM a\nONBUILD COPY --from=r/b:1 x y\nONBUILD RUN --mount=from=s x", "=a 0<r/b:1 onbuild 0<? onbuild");
    check("FROM a\nADD --from=b x y", "refused");
}

/// BuildKit pulls the triggers of a stage in each stage that is based on it, and in none that is based on that one (moby/buildkit#5490, #5578).
#[test]
fn triggers_are_pulled_by_the_stages_of_the_same_file() {
    check("FROM a AS x\nFROM b AS y\nONBUILD COPY --from=x s t\nONBUILD RUN --mount=from=c s\nFROM y", "x=a y=b 1<>0 pulled 1<c pulled =>1");
    check("FROM a AS x\nFROM b AS y\nONBUILD COPY --from=0 s t\nFROM b", "x=a y=b 1<? onbuild =b");
    // The way to choose between two stages that is met most.
    let chosen = "ARG MODE=debug\nFROM a AS base\nFROM base AS debug\nONBUILD COPY --from=keys:1 s t\nFROM base AS plain\nFROM ${MODE}";
    check(chosen, "base=a debug=>0 1<keys:1 pulled plain=>0 =>1");
    let reached = |text: &str| -> Vec<String> {
        read_str(text)
            .unwrap()
            .reached(None)
            .unwrap()
            .into_iter()
            .map(|reached| format!("{} {:?}", reached.image.familiar(), reached.class))
            .collect()
    };
    assert_eq!(reached(chosen), ["a Runtime", "keys:1 Build"]);
    assert_eq!(reached(&chosen.replace("MODE=debug", "MODE=plain")), ["a Runtime"]);
    assert_eq!(reached("FROM a AS x\nONBUILD COPY --from=z s t\nFROM x AS y\nFROM y"), ["a Runtime", "z Build"]);
    let read = read_str(chosen).unwrap();
    assert_eq!(read.external(), ["keys:1"]);
    let pins = BTreeMap::from([("keys:1".to_owned(), "keys:pinned".to_owned())]);
    assert_eq!(pin(chosen.as_bytes(), &read, &pins), chosen.replace("keys:1", "keys:pinned").as_bytes());
}

#[test]
fn what_is_refused() {
    for line in [
        "FROM",
        "FROM a b",
        "FROM a AS 1",
        "FROM a AS b c",
        "FROM --x a",
        "FRM a",
        "COPY a",
        "COPY --x a b",
        "ADD [1, 2]",
        "ENV",
        "ENV a",
        "ENV a=b c",
        "ENV =a",
        "LABEL a",
        "ARG",
        "ARG =a",
        "EXPOSE",
        "USER",
        "WORKDIR",
        "VOLUME",
        "VOLUME [\"\"]",
        "STOPSIGNAL",
        "MAINTAINER",
        "SHELL sh -c",
        "SHELL []",
        "HEALTHCHECK",
        "HEALTHCHECK x",
        "HEALTHCHECK CMD",
        "HEALTHCHECK NONE x",
        "HEALTHCHECK --interval=1 CMD x",
        "HEALTHCHECK --retries=-1 CMD x",
        "ONBUILD",
        "ONBUILD FROM a",
        "ONBUILD ONBUILD RUN a",
        "ONBUILD MAINTAINER a",
        "ONBUILD ENV a",
        "RUN --network=x a",
        "RUN --security=x a",
        "RUN --mount a",
        "CMD --x",
        "RUN [1]",
        "ENTRYPOINT [\"a\", 1]",
    ] {
        check(&format!("FROM a\n{line}\n"), "refused");
    }
    check("RUN a\nFROM b", "refused");
}

#[test]
fn what_is_not_refused() {
    for line in [
        "RUN",
        "CMD",
        "ENTRYPOINT []",
        "CMD [a]",
        "RUN ['a']",
        "ENV a b c",
        "ENV a=b c='d e'",
        "ARG --x A",
        "STOPSIGNAL --x 9",
        "ONBUILD FOO",
        "ONBUILD COPY a",
        "HEALTHCHECK NONE",
        "HEALTHCHECK --interval=0s --retries=0 --start-interval=1.5s CMD x",
        "EXPOSE x/y",
        "MAINTAINER a b",
        "COPY --parents --exclude=x a b",
        "ADD --unpack --keep-git-dir=false a b",
        "RUN --security=insecure --network=none --device=a x",
        "SHELL [\"a\"]",
        "VOLUME a b",
        "COPY [\"a\", \"b\"]",
        "run x",
    ] {
        assert_eq!(summary(&format!("FROM a\n{line}\n")), "=a", "{line}");
    }
}

#[test]
fn only_what_the_target_reaches_counts() {
    let text =
        "FROM a AS base\nFROM b AS build\nCOPY --from=c x y\nFROM base AS app\nCOPY --from=build x y\nFROM d AS test\nRUN --mount=from=app x\n";
    let dockerfile = read_str(text).unwrap();
    let reached = |target: Option<&str>| -> String {
        let reached = dockerfile.reached(target).unwrap();
        reached
            .iter()
            .map(|r| format!("{}{}", r.image.familiar(), if r.class == EdgeClass::Runtime { "!" } else { "" }))
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(reached(Some("APP")), "a! b c");
    assert_eq!(reached(Some("2")), "a! b c");
    assert_eq!(reached(Some("build")), "b! c");
    assert_eq!(reached(None), "a b c d!");
    assert!(dockerfile.reached(Some("nope")).is_err());
}

#[test]
fn pins_stand_where_the_references_stood() {
    let text = "ARG V=1\nFROM --platform=linux/amd64 a:$V \\\n  AS x # no comment\n";
    assert!(read_str(text).is_err());
    let text = "ARG V=1\r\nFROM a:$V \\\r\n AS x\r\nCOPY --from=\"b\" --link x y\r\nRUN --mount=type=bind,from=c,target=/ x\r\nFROM scratch\r\nCOPY --from=x x y\r\nONBUILD COPY --from=b x y";
    let pins = ["a:1", "b", "c"].map(|name| (name.to_owned(), format!("{}@pinned", &name[..1])));
    let pinned = pin(text.as_bytes(), &read_str(text).unwrap(), &BTreeMap::from(pins));
    assert_eq!(
        String::from_utf8(pinned).unwrap(),
        "ARG V=1\r\nFROM a@pinned \\\r\n AS x\r\nCOPY --from=\"b@pinned\" --link x y\r\nRUN --mount=type=bind,from=c@pinned,target=/ x\r\nFROM scratch\r\nCOPY --from=x x y\r\nONBUILD COPY --from=b x y"
    );
}

#[test]
fn ten_megabytes_are_read() {
    let text = format!("FROM a\n{}RUN x \\\n{} y\nFROM b\n", "ENV A=b \"C=${D:-e}\"\n".repeat(250_000), " z \\\n".repeat(1_000_000));
    assert!(text.len() > 9_000_000);
    check(&text, "=a =b");
    check(&format!("FROM a\n{}", "ONBUILD ".repeat(8_000)), "refused");
    check(&format!("FROM a\nRUN {}\n", "[".repeat(60_000)), "=a");
    check(&format!("FROM {}\n", "${A:-".repeat(10_000)), "refused");
    // Each ARG twice the one before.
    check(&format!("ARG A=xx\n{}FROM $A", "ARG A=\"$A$A\"\n".repeat(60)), "refused");
    let many: String = (0..100_000).map(|n| format!("COPY --from=r/i{n} a b\n")).collect();
    assert_eq!(read_str(&format!("FROM a\n{many}")).unwrap().external().len(), 100_000);
}

/// Pieces of which Dockerfiles, right and wrong ones, are made.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let known = prop::sample::select(vec![
        "FROM a:1 AS x\n",
        "FROM x\n",
        "FROM ${V:-b}\n",
        "ARG V=c\n",
        "ARG V\n",
        "COPY --from=x a b\n",
        "COPY --from=\"d\" a b\n",
        "COPY --from=r/e:1 \\\n a b\n",
        "RUN --mount=from=f,x x\n",
        "RUN <<E\n",
        "E\n",
        "# escape=`\n",
        "# c\n",
        "\\\n",
        "`\n",
        "\"",
        "'",
        "$",
        "${",
        "}",
        "<<",
        "--",
        "--from=",
        "=",
        " ",
        "\n",
        "\r\n",
        "[\"a\"]",
        "[",
        "ONBUILD ",
        "HEALTHCHECK CMD ",
        "ENV ",
        "\u{A0}",
        "é",
        "\u{FEFF}",
    ]);
    prop_oneof![8 => known.prop_map(|s| s.as_bytes().to_vec()), 1 => prop::collection::vec(any::<u8>(), 0..6)]
}

fn dockerfile_bytes() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(piece(), 0..25).prop_map(|pieces| pieces.concat())
}

proptest! {
    /// Whatever comes is read or refused, and its spans lie within it, one behind the other.
    #[test]
    fn nothing_panics(text in dockerfile_bytes()) {
        if let Ok(dockerfile) = read(&text, &ReadOptions::default()) {
            let mut end = 0;
            for reference in &dockerfile.references {
                prop_assert!(end <= reference.span.start && reference.span.start < reference.span.end && reference.span.end <= text.len());
                end = reference.span.end;
            }
            dockerfile.reached(None).unwrap();
        }
    }

    /// Outside of the spans the pinned text is the same, and read again it means the pins.
    #[test]
    fn pinning_changes_the_references_alone(head in dockerfile_bytes()) {
        let text = [b"FROM a:1 AS x\n".to_vec(), head].concat();
        let Ok(dockerfile) = read(&text, &ReadOptions::default()) else { return Ok(()) };
        let images: Vec<&Reference> = dockerfile.own_references().filter(|r| matches!(r.target, RefTarget::Image(_))).collect();
        let pins: BTreeMap<String, String> = images.iter().enumerate().map(|(n, r)| (r.resolved.clone(), format!("pin.example/p{n}:1"))).collect();
        let pinned = pin(&text, &dockerfile, &pins);
        let (mut old, mut new) = (0, 0);
        for reference in &images {
            let kept = reference.span.start - old;
            prop_assert_eq!(&text[old..old + kept], &pinned[new..new + kept]);
            old = reference.span.end;
            new += kept + pins[&reference.resolved].len();
        }
        prop_assert_eq!(&text[old..], &pinned[new..]);
        // A quote or a continued line in the middle of a reference goes with it.
        let again = read(&pinned, &ReadOptions::default()).unwrap();
        let resolved: Vec<&str> = again.own_references().filter(|r| matches!(r.target, RefTarget::Image(_))).map(|r| r.resolved.as_str()).collect();
        prop_assert_eq!(resolved, images.iter().map(|r| pins[&r.resolved].as_str()).collect::<Vec<_>>());
    }
}
