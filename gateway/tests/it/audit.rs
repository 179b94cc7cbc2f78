//! The endpoint as the public audit of GraphQL over HTTP sees it.

use std::path::Path;

use tokio::process::Command;

use crate::harness::{Gateway, within};

#[tokio::test]
async fn the_public_audit_passes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/audit");
    assert!(
        folder.join("node_modules/graphql-http").exists(),
        "the audit is not installed: `cargo xtask test` does that, and so does `npm ci` in {}",
        folder.display()
    );
    let gateway = Gateway::start().await;
    let mut node = Command::new("node");
    node.arg("audit.mjs").arg(gateway.url("/graphql")).current_dir(&folder);
    let output = within(node.output()).await.unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    println!("{told}");
}
