//! Writes a tree of Dockerfiles such as a large organisation has: teams, their services, shared bases, builder stages.
//!
//! The same number gives the same tree, byte for byte.

use std::io;
use std::path::Path;

const BASES: [&str; 8] =
    ["debian:bookworm-slim", "ubuntu:24.04", "alpine:3.20", "python:3.12-slim", "node:22-alpine", "golang:1.23", "eclipse-temurin:21", "busybox"];

/// Writes `count` Dockerfiles below `root`, which must be there.
pub fn write_tree(root: &Path, count: usize) -> io::Result<()> {
    let mut random: u64 = 0x9E37_79B9_7F4A_7C15;
    let mut next = move |below: usize| {
        // A xorshift: no dependency, and the same everywhere.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        usize::try_from(random % below as u64).unwrap_or_default()
    };
    for index in 0..count {
        let folder =
            root.join(format!("team-{:03}", index / 400)).join(format!("project-{:02}", index / 20 % 20)).join(format!("service-{index:06}"));
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join("Dockerfile"), dockerfile(index, &mut next))?;
        std::fs::write(folder.join("README.md"), "# A service\n")?;
    }
    Ok(())
}

fn dockerfile(index: usize, next: &mut impl FnMut(usize) -> usize) -> String {
    let base = if index < 8 { BASES[index].to_owned() } else { format!("shop/service-{:06}:1", next(index.min(2_000))) };
    let mut text = format!("# syntax=docker/dockerfile:1\n# Service {index}\nARG VERSION=1.{}\n", next(20));
    if next(2) == 0 {
        text += "FROM golang:1.23 AS build\nWORKDIR /src\nCOPY go.mod go.sum ./\nRUN --mount=type=cache,target=/go/pkg go mod download\nCOPY . .\nRUN go build -o /out/app ./...\n\n";
    } else {
        text += "FROM node:22-alpine AS build\nWORKDIR /src\nCOPY package*.json ./\nRUN npm ci\nCOPY . .\nRUN npm run build\n\n";
    }
    text += &format!("FROM {base}\nLABEL org.opencontainers.image.title=\"service {index}\" \\\n      version=\"$VERSION\"\n");
    text += "RUN apt-get update && \\\n    # what the service needs\n    apt-get install -y --no-install-recommends \\\n";
    for package in 0..next(8) {
        text += &format!("      package-{package} \\\n");
    }
    text += "    && rm -rf /var/lib/apt/lists/*\n";
    if next(8) == 0 {
        text += "COPY <<EOF /etc/app.conf\nlisten = 8080\nEOF\n";
    }
    text += "ENV PORT=8080 MODE=production\nCOPY --from=build --chown=1000:1000 /out /app\nUSER 1000\nEXPOSE 8080\n";
    text + "HEALTHCHECK --interval=30s CMD wget -qO- localhost:8080/healthz || exit 1\nENTRYPOINT [\"/app/run\"]\nCMD [\"--serve\"]\n"
}
