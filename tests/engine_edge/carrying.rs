//! Images from one engine to another: only what the other lacks, and never anything but the image.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::sync::atomic::Ordering;

use refit::edge::carry::{Carried, carry};
use refit::edge::{Engine, EngineError};
use refit::model::{Digest, ImageRef, chain_ids};

use crate::lab::LabHost;
use crate::odd_engine::OddEngine;
use crate::{BASE, engine, hosts, inspect};

/// Big enough that leaving it out shows, small enough to be quick.
const BIG_BYTES: u64 = 20_000_000;
const PATCH_BYTES: u64 = 3_000;
/// What a patch may cost, whatever the size of the image.
const THIN_BYTES_MAX: u64 = 100_000;

/// What cannot be compressed and is nowhere yet.
fn random(file: &Path, bytes: u64) {
    let mut text = Vec::new();
    fs::File::open("/dev/urandom").unwrap().take(bytes).read_to_end(&mut text).unwrap();
    fs::write(file, text).unwrap();
}

/// Builds an image with one more layer over another.
fn layer(host: &LabHost, from: &str, bytes: u64, name: &str) -> Digest {
    let context = tempfile::tempdir().unwrap();
    fs::write(context.path().join("Dockerfile"), format!("FROM {from}\nCOPY file /{}\n", name.replace(':', "-"))).unwrap();
    random(&context.path().join("file"), bytes);
    host.docker(&["build", "-q", "-t", name, context.path().to_str().unwrap()]).unwrap().parse().unwrap()
}

fn name(text: &str) -> ImageRef {
    text.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_the_host_lacks_is_sent() {
    let Some(lab) = hosts(2).await else { return };
    let (builder, host) = (lab.host(1), lab.host(2));
    builder.import_base(BASE);
    let big = layer(builder, BASE, BIG_BYTES, "big:1");
    let (first, second) = (layer(builder, "big:1", PATCH_BYTES, "web:1"), layer(builder, "big:1", PATCH_BYTES, "web:2"));
    let (from, to) = (engine(builder), engine(host));

    // A host that has nothing gets everything, and the name.
    let whole = carry(&from, &to, first, Some(&name("shop/web:1"))).await.unwrap();
    assert!(whole.bytes > BIG_BYTES && whole.layers_sent == 3 && whole.layers_kept == 0 && !whole.already_there, "{whole:?}");
    assert_eq!(inspect(host, "shop/web:1", "{{.Id}}"), first.to_string());
    let again = carry(&from, &to, first, Some(&name("shop/web:now"))).await.unwrap();
    assert_eq!(again, Carried { already_there: true, ..Carried::default() });
    assert_eq!(inspect(host, "shop/web:now", "{{.Id}}"), first.to_string());

    // The patch: one small layer of it is new.
    let thin = carry(&from, &to, second, Some(&name("shop/web:2"))).await.unwrap();
    eprintln!("a patch of {PATCH_BYTES} bytes over {BIG_BYTES}: {} bytes sent, {} instead of the first time", thin.bytes, whole.bytes);
    assert!(thin.bytes < THIN_BYTES_MAX && thin.layers_sent == 1 && thin.layers_kept == 2, "{thin:?}");
    assert_eq!(inspect(host, "shop/web:2", "{{.Id}}"), second.to_string());
    let same = |host: &LabHost| host.docker(&["run", "--rm", "--network=none", &second.to_string(), "sh", "-c", "md5sum /big-1 /web-2"]).unwrap();
    assert_eq!(same(host), same(builder), "what was left out is what the host had");

    // An image in the middle: all of it is there, only its name and configuration are not.
    let middle = carry(&from, &to, big, None).await.unwrap();
    assert!(middle.bytes < THIN_BYTES_MAX && middle.layers_sent == 0, "{middle:?}");

    // Everything was removed on the host in the meantime, a base that others share included.
    let ids = [first, second, big].map(|id| id.to_string());
    host.docker(&["rmi", "-f", &ids[0], &ids[1], &ids[2]]).unwrap();
    let whole = carry(&from, &to, second, None).await.unwrap();
    assert!(whole.bytes > BIG_BYTES && whole.layers_kept == 0, "{whole:?}");

    // An image that the builder does not have.
    let missing = carry(&from, &to, Digest::of(b"nothing"), None).await.unwrap_err();
    assert!(matches!(&missing, EngineError::Missing { what, .. } if what.contains(&Digest::of(b"nothing").to_string())), "{missing}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_refuses_a_thin_image_gets_the_whole() {
    let Some(lab) = hosts(2).await else { return };
    let (builder, host) = (lab.host(1), lab.host(2));
    builder.import_base(BASE);
    // Large enough that the engine has answered before the archive has ended.
    layer(builder, BASE, BIG_BYTES / 4, "web:1");
    let (second, third) = (layer(builder, "web:1", PATCH_BYTES, "web:2"), layer(builder, "web:1", BIG_BYTES / 2, "web:3"));
    let (from, to) = (engine(builder), engine(host));
    let layers = |seen: Option<refit::edge::ImageSeen>| seen.unwrap().layers;

    carry(&from, &to, inspect(builder, "web:1", "{{.Id}}").parse().unwrap(), None).await.unwrap();
    let mut odd = OddEngine::new(&to);
    odd.refuses = 1;
    let carried = carry(&from, &odd, second, Some(&name("web:2"))).await.unwrap();
    assert_eq!((odd.loads.load(Ordering::SeqCst), carried.layers_kept, carried.layers_sent), (2, 0, 3), "{carried:?}");
    assert_eq!(inspect(host, "web:2", "{{.Id}}"), second.to_string());

    // One that refuses the whole image too is believed.
    let mut odd = OddEngine::new(&to);
    odd.refuses = 2;
    let refused = carry(&from, &odd, third, None).await.unwrap_err();
    assert!(refused.to_string().contains("it wants every layer"), "{refused}");

    // The real engine's own no: it had the layers when it was asked, and has lost them since.
    host.docker(&["rmi", "-f", &second.to_string(), &inspect(builder, "web:1", "{{.Id}}")]).unwrap();
    let third_layers = layers(from.image(&third.to_string()).await.unwrap());
    let mut odd = OddEngine::new(&to);
    odd.claims = Some(chain_ids(&third_layers[..2]));
    let carried = carry(&from, &odd, third, Some(&name("web:3"))).await.unwrap();
    assert_eq!((odd.loads.load(Ordering::SeqCst), carried.layers_kept), (2, 0), "{carried:?}");
    assert_eq!(inspect(host, "web:3", "{{.Id}}"), third.to_string());
}
