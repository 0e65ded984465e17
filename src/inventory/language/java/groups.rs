//! Groups of well-known libraries whose archives do not say them: those that are not built by Maven.
//!
//! Source: their coordinates in Maven Central.

/// How an artifact begins, and its group; the longest beginning counts. One with `*` at its end is a beginning, else the whole name.
const GROUPS: &[(&str, &str)] = &[
    ("asm", ASM),
    ("asm-*", ASM),
    ("guava", "com.google.guava"),
    ("kafka-clients", "org.apache.kafka"),
    ("kotlin-reflect", "org.jetbrains.kotlin"),
    ("kotlin-stdlib*", "org.jetbrains.kotlin"),
    ("micrometer-*", "io.micrometer"),
    ("reactor-core", "io.projectreactor"),
    ("reactor-netty-*", "io.projectreactor.netty"),
    ("spring-aop", SPRING),
    ("spring-aspects", SPRING),
    ("spring-beans", SPRING),
    ("spring-boot*", "org.springframework.boot"),
    ("spring-context*", SPRING),
    ("spring-core", SPRING),
    ("spring-expression", SPRING),
    ("spring-jcl", SPRING),
    ("spring-jdbc", SPRING),
    ("spring-jms", SPRING),
    ("spring-messaging", SPRING),
    ("spring-orm", SPRING),
    ("spring-oxm", SPRING),
    ("spring-security-*", "org.springframework.security"),
    ("spring-tx", SPRING),
    ("spring-web", SPRING),
    ("spring-webflux", SPRING),
    ("spring-webmvc", SPRING),
    ("spring-websocket", SPRING),
    ("tomcat-embed-*", "org.apache.tomcat.embed"),
    ("tomcat-*", "org.apache.tomcat"),
];

const ASM: &str = "org.ow2.asm";
const SPRING: &str = "org.springframework";

/// The group of a well-known artifact.
pub(super) fn of(artifact: &str) -> Option<&'static str> {
    let fits = |name: &&(&str, &str)| name.0.strip_suffix('*').map_or(name.0 == artifact, |begin| artifact.starts_with(begin));
    GROUPS.iter().filter(fits).max_by_key(|(name, _)| name.len()).map(|(_, group)| *group)
}
