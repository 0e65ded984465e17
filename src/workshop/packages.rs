//! What a plan would change in the packages that images stand on.

use std::collections::BTreeMap;

use crate::driver::Driver;
use crate::fault::causes;
use crate::inquiry::{ImageDifference, of_images};
use crate::inventory::Difference;
use crate::journal::KnownAs;
use crate::plan::{MovedBase, Plan};

/// What bases change, by their names.
pub type PackagesOfBases = BTreeMap<String, Difference>;

/// What the bases change that a plan takes anew, as far as it is known what was in them; what they are now is read for that.
///
/// That is beside the plan: where it cannot be told, the plan is shown without it.
pub async fn packages_of_bases(driver: &Driver, plan: &Plan) -> PackagesOfBases {
    let mut packages = PackagesOfBases::new();
    let Some(inventories) = &driver.inventories else { return packages };
    for MovedBase { base, old, new } in plan.moved_bases() {
        if !matches!(tokio::task::block_in_place(|| inventories.contents(old)), Ok(Some(_))) {
            continue;
        }
        let names = [KnownAs::Base(base.clone())].into();
        if let Err(error) = driver.read_contents(inventories, &new.to_string(), names).await {
            tracing::warn!(base = %base.familiar(), "what is in it could not be read: {}", causes(&error));
        }
        if let Ok(Some(ImageDifference::Packages(difference))) = tokio::task::block_in_place(|| of_images(inventories, old, new)) {
            packages.insert(base.familiar(), difference);
        }
    }
    packages
}
