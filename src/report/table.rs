//! A plain table: a header in capitals, columns two blanks apart, no lines, nothing cut off. Easy to read, and to take apart with `awk`.

use comfy_table::{ContentArrangement, Table, TableStyle};

/// Text that others chose, such as the name of a file: a terminal gets no control characters from it.
pub(super) fn plain(text: &str) -> String {
    text.replace(char::is_control, "\u{fffd}")
}

/// The table's lines, without blanks at their ends. Cells are text without any style: control characters in them are replaced.
pub fn table<const N: usize>(header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> Vec<String> {
    let mut table = Table::new();
    table.load_style(TableStyle::default()).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header);
    for row in rows {
        table.add_row(row.map(|cell| plain(&cell)));
    }
    table.column_iter_mut().for_each(|column| {
        column.set_padding((0, 2));
    });
    table.lines().map(|line| line.trim_end().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn columns_stand_two_blanks_apart() {
        let lines = super::table(["A", "LONG"], [["x".into(), String::new()], ["yyy".into(), "z".into()]]);
        assert_eq!(lines, ["A    LONG", "x", "yyy  z"]);
    }

    #[test]
    fn a_cell_cannot_command_a_terminal_nor_begin_a_line() {
        assert_eq!(super::table(["A"], [["x\u{1b}[2J\ny".into()]]), ["A", "x\u{fffd}[2J\u{fffd}y"]);
    }
}
