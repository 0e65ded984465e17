//! What people wrote in their pipeline files: text in, an [`Estate`] or findings out. Opens no file.

mod estate;

pub use estate::{
    Base, BuildSecret, BuildSpec, Builder, Context, Endpoint, Estate, FailureAction, Host, Image, ImageTest, Order, Rebuild, RebuildPolicy,
    SecretSource, Service, ServiceImage, Sources, UpdateConfig,
};
