//! Names of platforms, which have several spellings.

/// A platform as BuildKit gives it to a Dockerfile (`TARGETPLATFORM`): `os/architecture`, and a variant where it is not the usual one.
///
/// An architecture alone is one of Linux. Source: `platforms.Parse` and `normalizeArch` of containerd.
pub fn normal_platform(text: &str) -> String {
    let text = text.to_lowercase();
    let (os, rest) = text.split_once('/').unwrap_or(("linux", text.as_str()));
    let (architecture, variant) = rest.split_once('/').unwrap_or((rest, ""));
    let (architecture, variant) = match (architecture, variant) {
        ("i386", _) => ("386", ""),
        ("amd64" | "x86_64" | "x86-64", "" | "v1") => ("amd64", ""),
        ("x86_64" | "x86-64", variant) => ("amd64", variant),
        ("arm64" | "aarch64", "" | "8" | "v8") => ("arm64", ""),
        ("aarch64", variant) => ("arm64", variant),
        ("armhf", _) | ("arm", "" | "7") => ("arm", "v7"),
        ("armel", _) | ("arm", "6") => ("arm", "v6"),
        ("arm", "5") => ("arm", "v5"),
        ("arm", "8") => ("arm", "v8"),
        other => other,
    };
    let variant = if variant.is_empty() { String::new() } else { format!("/{variant}") };
    format!("{os}/{architecture}{variant}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_platform_has_one_name() {
        for (text, expected) in [
            ("linux/amd64", "linux/amd64"),
            ("Linux/x86_64", "linux/amd64"),
            ("linux/amd64/v3", "linux/amd64/v3"),
            ("arm64", "linux/arm64"),
            ("linux/aarch64/v8", "linux/arm64"),
            ("linux/arm", "linux/arm/v7"),
            ("linux/arm/6", "linux/arm/v6"),
            ("armhf", "linux/arm/v7"),
            ("windows/amd64", "windows/amd64"),
            ("linux/riscv64", "linux/riscv64"),
        ] {
            assert_eq!(normal_platform(text), expected, "{text}");
        }
    }
}
