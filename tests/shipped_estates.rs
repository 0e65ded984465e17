//! The estates that lie in this repository are read without a finding, and are what their descriptions say.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::path::Path;

use refit::edge::pipeline_files;
use refit::pipeline::{self, Estate, Given, Order};

fn read(pipelines: &str) -> Estate {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(pipelines);
    let files = pipeline_files::read_folder(&folder).unwrap();
    let given = Given { folder: pipeline_files::estate_folder(&folder).unwrap(), vars: Default::default() };
    let draft = pipeline::draft(&files, &given);
    let facts = pipeline_files::look(&draft.wanted());
    let reading = draft.finish(&facts);
    assert!(reading.findings.is_empty(), "{pipelines}: {:#?}", reading.findings);
    reading.estate.unwrap()
}

#[test]
fn the_demos_shop_is_an_estate_of_ten_images_on_three_hosts() {
    let shop = read("examples/shop/pipelines");
    assert_eq!((shop.images.len(), shop.hosts.len(), shop.services.len()), (10, 3, 3));
    for image in shop.images.values() {
        let pipeline::Context::Folder { path } = &image.build.context else { panic!("{} comes from elsewhere", image.name) };
        assert!(path.join(&image.build.dockerfile).is_file(), "{}", path.display());
    }
    let web = &shop.services[&"web".parse().unwrap()];
    assert_eq!((web.hosts.len(), web.update.order, web.update.parallelism), (3, Order::StopFirst, pipeline::Amount::Count(1)));
}
