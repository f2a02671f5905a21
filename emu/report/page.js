(function () {
  "use strict";
  var table = document.getElementById("table"), body = table.tBodies[0];
  var heads = Array.prototype.slice.call(table.tHead.rows[0].cells);
  function key(row, i) {
    var text = row.cells[i].dataset.sort, value = Number(text);
    return isNaN(value) ? text : value;
  }
  heads.forEach(function (head, i) {
    head.firstChild.addEventListener("click", function () {
      var up = head.getAttribute("aria-sort") !== "ascending";
      heads.forEach(function (other) { other.removeAttribute("aria-sort"); });
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      var rows = Array.prototype.slice.call(body.rows).filter(function (row) { return row.cells.length > 1; });
      rows.sort(function (a, b) {
        var x = key(a, i), y = key(b, i);
        return (x < y ? -1 : x > y ? 1 : 0) * (up ? 1 : -1);
      });
      rows.forEach(function (row) { body.appendChild(row); });
    });
  });
  var filter = document.getElementById("filter"), matches = document.getElementById("matches");
  var searched = heads.map(function (head, i) { return i; }).filter(function (i) { return heads[i].hasAttribute("data-filtered"); });
  var lines = Array.prototype.slice.call(document.querySelectorAll("tr[data-layer]"));
  function words(row) {
    return searched.map(function (i) {
      return i ? row.cells[i].textContent : row.cells[0].firstChild.title;
    }).join("\n").toLowerCase();
  }
  if (filter) {
    filter.addEventListener("input", function () {
      var wanted = filter.value.toLowerCase().split(/\s+/), shown = {}, count = 0;
      Array.prototype.forEach.call(body.rows, function (row) {
        var text = words(row);
        shown[row.dataset.layer] = wanted.every(function (word) { return text.indexOf(word) >= 0; });
        count += shown[row.dataset.layer];
      });
      lines.forEach(function (row) { row.hidden = !shown[row.dataset.layer]; });
      matches.textContent = filter.value ? count + " of " + body.rows.length : "";
    });
  }
})();
