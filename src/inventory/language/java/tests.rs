//! Archives, real and made to hurt.

use miniz_oxide::deflate::compress_to_vec;

use super::archive::{Archive, EntryError};
use super::budget::{self, Budget};
use super::{DEPTH_MAX, NAME_CHARS_MAX, NOTE_BYTES_MAX, Named, read, read_archive};
use crate::inventory::ReadFile;
use crate::inventory::language::tests::{JAR, WAR, WAR_WITH_LAUNCHER, said};

/// An archive of these files, the names of which say how: `>name` is compressed.
fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in files {
        let (name, method, content) = name.strip_prefix('>').map_or((*name, 0, content.to_vec()), |name| (name, 8, compress_to_vec(content, 6)));
        add_entry(&mut directory, name, method, content.len(), bytes.len());
        bytes.extend_from_slice(&[b"PK\x03\x04".as_slice(), &[0; 22], &half(name.len()), &[0, 0], name.as_bytes(), &content].concat());
    }
    end(bytes, &directory, files.len())
}

fn add_entry(directory: &mut Vec<u8>, name: &str, method: u8, packed: usize, at: usize) {
    let head = [b"PK\x01\x02".as_slice(), &[0; 6], &[method, 0], &[0; 8], &full(packed), &[0; 4], &half(name.len()), &[0; 12], &full(at)];
    directory.extend_from_slice(&[&head.concat(), name.as_bytes()].concat());
}

fn end(bytes: Vec<u8>, directory: &[u8], count: usize) -> Vec<u8> {
    let record = [b"PK\x05\x06".as_slice(), &[0; 4], &half(count), &half(count), &full(directory.len()), &full(bytes.len()), &[0, 0]].concat();
    [bytes, directory.to_vec(), record].concat()
}

fn half(number: usize) -> [u8; 2] {
    u16::try_from(number).unwrap().to_le_bytes()
}

fn full(number: usize) -> [u8; 4] {
    u32::try_from(number).unwrap().to_le_bytes()
}

fn jar(path: &str, manifest: &str, poms: &[&str]) -> Vec<String> {
    let names: Vec<String> = poms.iter().map(|pom| format!("META-INF/maven/{pom}/pom.properties")).collect();
    let mut files = vec![(">META-INF/MANIFEST.MF", manifest.as_bytes())];
    files.extend(names.iter().map(|name| (name.as_str(), b"version=7\n".as_slice())));
    let read = read(path, &zip(&files));
    let mut all: Vec<String> = read.packages.iter().map(|is| format!("{} {}", is.name, is.version)).collect();
    all.extend(read.unreadable.into_iter().map(|gap| gap.why));
    all
}

const IN_WAR: [&str; 7] = [
    "commons-codec:commons-codec 1.15",
    "org.apache.httpcomponents:httpclient 4.5.14",
    "org.apache.httpcomponents:httpcore 4.4.16",
    "org.apache.maven.wagon:wagon-http 3.5.3",
    "org.apache.maven.wagon:wagon-http-shared 3.5.3",
    "org.slf4j:jul-to-slf4j 1.7.32",
    "shop 3.1.0",
];

#[test]
fn real_archives_are_read_with_what_is_packed_into_them() {
    assert_eq!(said(&read("a/jul-to-slf4j.jar", JAR)), ["org.slf4j:jul-to-slf4j 1.7.32"]);
    assert_eq!(said(&read("srv/app.war", WAR)), IN_WAR);
    assert_eq!(said(&read("srv/app.war", WAR_WITH_LAUNCHER)), IN_WAR, "what stands before an archive does not matter");
}

#[test]
fn an_archive_without_a_pom_is_what_its_manifest_and_name_say() {
    for (path, manifest, all) in [
        ("a/guava-31.1-jre.jar", "Bundle-SymbolicName: com.google.guava\nBundle-Version: 31.1.0.jre\n", "com.google.guava:guava 31.1-jre"),
        ("a/spring-core-5.3.20.jar", "Implementation-Title: spring-core\nImplementation-Version: 5.3.20\n", "org.springframework:spring-core 5.3.20"),
        ("a/spring-boot-starter-web-3.2.0.jar", "", "org.springframework.boot:spring-boot-starter-web 3.2.0"),
        (
            "lib/catalina.jar",
            "Bundle-SymbolicName: org.apache.tomcat-catalina\nImplementation-Version: 10.1.5\n",
            "org.apache.tomcat:tomcat-catalina 10.1.5",
        ),
        (
            "a/commons-lang3-3.12.0.jar",
            "Bundle-SymbolicName: org.apache.commons.lang3\nBundle-Version: 3.12.0\n",
            "org.apache.commons:commons-lang3 3.12.0",
        ),
        ("a/asm-9.7.1.jar", "Bundle-SymbolicName: org.objectweb.asm\nImplementation-Version: 9.7.1\n", "org.ow2.asm:asm 9.7.1"),
        ("a/HikariCP-5.1.0.jar", "Bundle-SymbolicName: com.zaxxer.HikariCP\n", "com.zaxxer:HikariCP 5.1.0"),
        ("a/jul-1.jar", "Bundle-SymbolicName: jul.to.slf4j\n", "jul 1"),
        ("a/maven-core-3.8.jar", "Bundle-SymbolicName: org.apache.maven.core;singleton:=true\n", "org.apache.maven:maven-core 3.8"),
        ("a/x.jar", "Implementation-Vendor-Id: org.x\nImplementation-Title: y\nImplementation-Version: 2\n", "org.x:y 2"),
        ("a/x-1.0.jar", "Implementation-Title: Some words\nImplementation-Version: ${v}\nBundle-Version: 2.0\n", "x 2.0"),
        ("a/x-2.jar", "", "x 2"),
        ("a/x.jar", "", "says no version of x"),
    ] {
        assert_eq!(jar(path, manifest, &[]), [all], "{path}");
    }
}

#[test]
fn an_archive_that_others_are_packed_into_is_itself_only_if_it_says_so_wholly() {
    let manifest = "Implementation-Vendor-Id: org.x\nImplementation-Title: y\nImplementation-Version: 2\n";
    assert_eq!(jar("a/y-2.jar", manifest, &["g/a"]), ["g:a 7", "org.x:y 2"]);
    assert_eq!(jar("a/y-2.jar", manifest, &["g/a", "org.x/y"]), ["g:a 7", "org.x:y 7"], "a pom is believed before a manifest");
    assert_eq!(jar("a/y.jar", manifest, &["g/a"]), ["g:a 7"]);
    assert_eq!(jar("a/y-2.jar", "", &["g/a"]), ["g:a 7"]);
}

#[test]
fn archives_within_archives_are_read_to_a_depth() {
    let pom = ("META-INF/maven/g/a/pom.properties", b"version=1\n".as_slice());
    let mut inner = zip(&[pom]);
    for _ in 1..DEPTH_MAX {
        inner = zip(&[(">lib/in.jar", &inner)]);
    }
    assert_eq!(read("a-1.jar", &inner).packages.iter().filter(|package| package.name == "g:a").count(), 1);
    let deeper = read("a-1.jar", &zip(&[("in.jar", &inner)]));
    let last = deeper.unreadable.last().unwrap();
    assert_eq!((last.path.as_str(), last.why.as_str()), ("a-1.jar!/in.jar!/lib/in.jar!/lib/in.jar!/lib/in.jar", "lies in more than 3 archives"));
}

#[test]
fn what_cannot_be_read_is_named() {
    let why = |bytes: &[u8]| read("a.jar", bytes).unreadable.iter().map(|gap| format!("{} {}", gap.path, gap.why)).collect::<Vec<_>>();
    assert_eq!(why(b"not an archive"), ["a.jar is no archive: it has no directory at its end"]);
    let real = JAR;
    assert_eq!(why(&real[..real.len() - 22]), ["a.jar is no archive: it has no directory at its end"]);
    assert_eq!(why(&real[real.len() - 60..]), ["a.jar has a directory that does not lie within it"]);
    let mut archive = zip(&[("META-INF/maven/g/a/pom.properties", b"version=1"), ("b-1.jar", b"no archive")]);
    assert_eq!(why(&archive), ["a.jar!/b-1.jar is no archive: it has no directory at its end"]);
    let at = archive.windows(4).position(|window| window == b"PK\x01\x02").unwrap();
    archive[at + 10] = 12;
    assert_eq!(why(&archive)[0], "a.jar!/META-INF/maven/g/a/pom.properties is compressed by method 12, which is not read");
    archive[at + 8] = 1;
    assert_eq!(why(&archive)[0], "a.jar!/META-INF/maven/g/a/pom.properties is encrypted");
    archive[at] = 0;
    assert_eq!(why(&archive)[0], "a.jar has a directory that breaks off");
}

#[test]
fn what_unpacks_to_too_much_is_let_be() {
    let archive = zip(&[(">zeros", &vec![0; 100_000])]);
    let archive = Archive::of(&archive).unwrap();
    let entry = archive.entries().next().unwrap().unwrap();
    let content = |bytes_max, budget: &mut Budget| archive.content(&entry, bytes_max, budget).map(|bytes| bytes.len());
    assert_eq!(content(100_000, &mut Budget::default()), Ok(100_000));
    assert_eq!(content(99_999, &mut Budget::default()), Err(EntryError::TooLarge(99_999)));
    let mut budget = Budget::of(150_000, 10);
    assert_eq!((content(100_000, &mut budget), content(100_000, &mut budget)), (Ok(100_000), Err(EntryError::Spent)));
}

#[test]
fn what_is_not_packed_has_the_same_bound_as_what_is() {
    let large = vec![b'x'; NOTE_BYTES_MAX + 1];
    for name in ["META-INF/MANIFEST.MF", ">META-INF/MANIFEST.MF"] {
        let read = read("a-1.jar", &zip(&[(name, &large)]));
        assert_eq!(read.unreadable[0].why, format!("has more than {NOTE_BYTES_MAX} bytes unpacked, the most that is read"));
        assert_eq!((read.packages[0].name.as_str(), read.packages[0].version.as_str()), ("a", "1"), "its name still says what it is");
    }
}

#[test]
fn an_archive_within_is_what_its_whole_name_says() {
    let folder = "d".repeat(NAME_CHARS_MAX);
    let inner = zip(&[("META-INF/MANIFEST.MF", b"Implementation-Vendor-Id: org.x\n".as_slice())]);
    for (name, is) in
        [(format!("{folder}/lib/y-2.jar"), "org.x:y 2"), ("it's-1.0.jar".to_owned(), "org.x:it's 1.0"), ("a!b-1.jar".to_owned(), "org.x:a!b 1")]
    {
        let read = read("app-1.jar", &zip(&[(&name, &inner)]));
        assert!(said(&read).contains(&is.to_owned()), "{read:?}");
    }
}

/// An archive whose directory names one archive within it many times, within another of that kind, and so on: small as a file, and endless as a tree.
#[test]
fn an_archive_that_multiplies_is_read_until_its_share_is_spent() {
    let mut inner = zip(&[("x", b"")]);
    for _ in 1..DEPTH_MAX {
        let local = [b"PK\x03\x04".as_slice(), &[0; 26], &inner].concat();
        let mut directory = Vec::new();
        (0..1_000).for_each(|_| add_entry(&mut directory, "a-1.jar", 0, inner.len(), 0));
        inner = end(local, &directory, 1_000);
    }
    let mut read = ReadFile::default();
    read_archive(&Named { path: "a-1.jar", name: "a-1.jar" }, &inner, 1, &mut Budget::of(1 << 30, 20_000), &mut read);
    assert!(read.unreadable.iter().any(|gap| gap.why == budget::SPENT));
    assert!(read.packages.len() < 20_000, "{}", read.packages.len());
}
