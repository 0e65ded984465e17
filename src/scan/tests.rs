//! The room as a whole, on small folders.

use super::*;
use crate::dockerfile::ReadOptions;

fn scan_of(files: &[(&str, &str)]) -> Scan {
    let files = files.iter().map(|(path, text)| file((*path).to_owned(), text.as_bytes(), &ReadOptions::default())).collect();
    scan(files, vec!["web/Dockerfile.j2".to_owned()], "shop")
}

fn edges(files: &[(&str, &str)]) -> Vec<String> {
    scan_of(files).edges.iter().map(|edge| format!("{} → {}", edge.dependent, edge.base)).collect()
}

#[test]
fn the_json_is_that_of_the_manual() {
    let scan = scan_of(&[
        ("web/Dockerfile", "ARG V=12\nFROM golang:1 AS Build\nFROM shop/base:$V\nCOPY --from=build a b\nCOPY --from=busybox a b\n"),
        ("base/Dockerfile", "FROM debian\n"),
        ("bad/Dockerfile", "FORM debian\n"),
    ]);
    insta::assert_json_snapshot!(scan, @r#"
    {
      "dockerfiles": {
        "bad/Dockerfile": {
          "stages": [],
          "external": [],
          "images": [],
          "error": "line 1: unknown instruction FORM"
        },
        "base/Dockerfile": {
          "stages": [
            {
              "name": "",
              "from_raw": "debian",
              "from_resolved": "debian",
              "is_stage_ref": false
            }
          ],
          "external": [],
          "images": [
            "docker.io/library/debian:latest"
          ],
          "error": null
        },
        "web/Dockerfile": {
          "stages": [
            {
              "name": "build",
              "from_raw": "golang:1",
              "from_resolved": "golang:1",
              "is_stage_ref": false
            },
            {
              "name": "",
              "from_raw": "shop/base:$V",
              "from_resolved": "shop/base:12",
              "is_stage_ref": false
            }
          ],
          "external": [
            "busybox"
          ],
          "images": [
            "docker.io/library/busybox:latest",
            "docker.io/library/golang:1",
            "docker.io/shop/base:12"
          ],
          "error": null
        }
      },
      "templates": [
        "web/Dockerfile.j2"
      ],
      "edges": [
        [
          "web/Dockerfile",
          "base/Dockerfile"
        ]
      ]
    }
    "#);
}

#[test]
fn a_dockerfile_builds_what_its_variant_or_its_folder_is_called() {
    let web = ("web/Dockerfile", "FROM base");
    assert_eq!(edges(&[("images/base/Dockerfile", "FROM debian"), web]), ["web/Dockerfile → images/base/Dockerfile"]);
    assert_eq!(edges(&[("Dockerfile.base", "FROM debian"), web]), ["web/Dockerfile → Dockerfile.base"]);
    assert_eq!(edges(&[("x/base.Dockerfile", "FROM debian"), web]), ["web/Dockerfile → x/base.Dockerfile"]);
    assert_eq!(edges(&[("Dockerfile", "FROM debian"), ("web/Dockerfile", "FROM r.example.com/x/shop:1")]), ["web/Dockerfile → Dockerfile"]);
    assert_eq!(edges(&[("tool/Dockerfile", "FROM a"), ("web/Dockerfile", "FROM b\nCOPY --from=tool x y")]), ["web/Dockerfile → tool/Dockerfile"]);
}

#[test]
fn what_cannot_be_told_is_no_edge() {
    let web = ("web/Dockerfile", "FROM base");
    assert!(edges(&[("a/base/Dockerfile", "FROM x"), ("b/base/Dockerfile", "FROM x"), web]).is_empty(), "two are called base");
    assert!(edges(&[("base/Dockerfile", "FROM base:1"), web]).is_empty(), "it extends what others call base");
    assert!(edges(&[("web/Dockerfile", "FROM web")]).is_empty(), "nothing builds itself");
}

#[test]
fn oddities_say_where() {
    let scan = scan_of(&[
        ("a/Dockerfile", "FROM b\n"),
        ("b/Dockerfile", "FROM x:1\nCOPY --from=c a b\n"),
        ("c/Dockerfile", "FROM a:1\n"),
        ("d/Dockerfile", "ARG V\nFROM $V\n"),
        ("e/Dockerfile", "FROM debian\nFROM debian\n"),
        ("f/Dockerfile", "FROM debian:12\nRUN <<E\n"),
    ]);
    let lines: Vec<String> = scan.oddities().iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn a_first_pipeline_names_every_image_once() {
    let scan = scan_of(&[
        ("Dockerfile", "FROM debian"),
        ("Dockerfile.dev", "FROM debian"),
        ("images/base/Dockerfile", "FROM debian"),
        ("a/web/Dockerfile", "FROM shop/base:3"),
        ("b/web/Dockerfile", "FROM x"),
        ("b/Web/Dockerfile", "FROM x"),
        ("ü b/on/Dockerfile", "FROM x"),
        ("bad/Dockerfile", "RUN x"),
        ("lint/Dockerfile", "ARG V\nFROM debian:${V}"),
    ]);
    let text = first_pipeline(&scan, "My Shop", ".");
    let yaml: serde_yaml::Value = serde_yaml::from_str(&text).unwrap();
    assert_eq!(yaml["images"].as_mapping().unwrap().len(), 7);
    insta::assert_snapshot!(text);
}

#[test]
fn an_empty_folder_gives_an_empty_pipeline() {
    let text = first_pipeline(&Scan::default(), "x", ".");
    let yaml: serde_yaml::Value = serde_yaml::from_str(&text).unwrap();
    assert!(yaml["images"].as_mapping().unwrap().is_empty());
}
