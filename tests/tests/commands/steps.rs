//! Native steps and modules in one chain, in the order of the recipe.

use etl_tests::harness::{Folder, guest};

#[track_caller]
fn output(rows: &str, table: &str) -> String {
    let folder = Folder::new();
    folder.write("rows.csv", rows);
    let text = format!("name = \"x\"\n[[tables]]\nfrom = \"rows.csv\"\ninto = \"t\"\n{table}\n");
    folder.write("recipe.toml", text);
    folder.etl(["run", "--to", "-", "--quiet"]).run().code(0).stdout
}

const ROWS: &str = "id,name,age\n1,one,30\n2,two,40\n";

#[test]
fn rename_drop_and_constant_need_no_module() {
    let table = "transforms = [\n  { rename = { id = \"number\", name = \"id\" } },\n  { drop = [\"age\"] },\n  \
                 { constant = { source = \"a,b\", count = 7, share = 2.5, good = true, day = 2024-02-29, at = 2024-02-29T10:00:00+02:00 } },\n]";
    let expected = "number,id,source,count,share,good,day,at\n\
                    1,one,\"a,b\",7,2.5,true,2024-02-29,2024-02-29 08:00:00+00\n\
                    2,two,\"a,b\",7,2.5,true,2024-02-29,2024-02-29 08:00:00+00\n";
    assert_eq!(output(ROWS, table), expected);
}

#[test]
fn steps_run_in_their_order() {
    let table = "transforms = [\n  { rename = { name = \"a\" } },\n  { constant = { name = \"x\" } },\n  { drop = [\"a\"] },\n  { rename = { age = \"a\" } },\n]";
    assert_eq!(output(ROWS, table), "id,a,name\n1,30,x\n2,40,x\n");
}

#[test]
fn a_module_sees_what_the_steps_before_it_made() {
    for language in ["rust", "c"] {
        let module = guest(language, "filter");
        let table = format!(
            "types = {{ age = \"int64\" }}\ntransforms = [\n  {{ rename = {{ id = \"number\", age = \"id\" }} }},\n  \
             {{ module = \"{}\", options = {{ keep = \"even\" }} }},\n  {{ drop = [\"number\"] }},\n]",
            module.display()
        );
        let rows = "id,name,age\n1,one,30\n2,two,41\n3,three,42\n";
        assert_eq!(output(rows, &table), "name,id\none,30\nthree,42\n", "{language}");
    }
}

#[test]
fn an_option_that_a_module_does_not_know_is_told_in_its_words() {
    let folder = Folder::new();
    folder.write("rows.csv", "id\n1\n");
    for language in ["rust", "c"] {
        let module = guest(language, "filter");
        let text = format!(
            "name = \"x\"\n[[tables]]\nfrom = \"rows.csv\"\ninto = \"t\"\ntypes = {{ id = \"int64\" }}\n\
             transforms = [{{ module = \"{}\", options = {{ keep = \"all\" }} }}]\n",
            module.display()
        );
        folder.write("recipe.toml", text);
        let ran = folder.etl(["run"]).run().code(4);
        ran.says(&[
            "recipe.toml:6: module ",
            "filter.wasm was stopped in plan: it answered with an error: ",
            "keep",
        ]);
    }
}
