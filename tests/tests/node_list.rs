//! How a target is asked for its nodes while a load goes on: a server that lists none is left in peace.

use etl::copy::error::Error;
use etl::copy::postgres::connect::Cluster;
use etl::copy::postgres::environment::Environment;
use etl::copy::postgres::nodes::Node;
use etl::copy::postgres::settings::Settings;
use etl_tests::postgres::Server;

/// A `yb_servers()` with those of its columns that are asked for; `port` is SQL.
fn yb_servers(port: &str) -> String {
    format!(
        "CREATE FUNCTION yb_servers() RETURNS TABLE (host text, port bigint, node_type text, public_ip text) \
         LANGUAGE sql AS $$ SELECT '127.0.0.2', {port}, 'primary', '' $$"
    )
}

#[tokio::test]
async fn a_server_without_yb_servers_is_not_asked_again_and_never_with_an_error() {
    let server = Server::of_the_test_run();
    let client = server.database("node_list").await;
    let settings = Settings::of_url(&server.url("127.0.0.1", "node_list"));
    let cluster =
        Cluster::connect(&settings, &Environment::from_iter([("USER", "nobody")]), "test").await.unwrap();
    let nodes = cluster.nodes().await.unwrap().nodes;
    // A failed statement would end this transaction.
    cluster.control.client.batch_execute("BEGIN").await.unwrap();
    assert!(cluster.new_nodes(&cluster.control, &nodes).await.unwrap().is_none());
    cluster.control.client.batch_execute("SELECT 1; COMMIT").await.unwrap();

    client.batch_execute(&yb_servers(&server.port.to_string())).await.unwrap();
    let found = cluster.new_nodes(&cluster.control, &nodes).await.unwrap().unwrap();
    assert_eq!(found.iter().map(Node::name).collect::<Vec<_>>(), ["127.0.0.2"]);

    // What failed for another reason may work next time.
    client.batch_execute("DROP FUNCTION yb_servers()").await.unwrap();
    client.batch_execute(&yb_servers("1 / (random() * 0)::bigint")).await.unwrap();
    assert!(matches!(cluster.new_nodes(&cluster.control, &nodes).await, Err(Error::Server(_))));
}
