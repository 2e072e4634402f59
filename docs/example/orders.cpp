// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A small shop with three things to find in its memory: a report that is built at once and makes the
// peak (monthly_report), parsing that allocates for every field (parse_order), and a leak: the
// receipts of cancelled orders (cancel).

#include <cstdio>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

namespace
{

struct order {
	std::string customer;
	std::string article;
	int amount = 0;
};

struct receipt {
	char text[240];
};

std::vector<std::string> split(const std::string &line)
{
	std::vector<std::string> fields(1);
	for (char c : line) {
		if (c == ';')
			fields.emplace_back();
		else
			fields.back() += c;
	}
	return fields;
}

order parse_order(const std::string &line)
{
	std::vector<std::string> fields = split(line);
	return order{fields[0], fields[1], std::stoi(fields[2])};
}

class shop
{
      public:
	void take(const order &placed)
	{
		orders_.push_back(std::make_unique<order>(placed));
		sold_[placed.article] += placed.amount;
	}

	void cancel(std::size_t number)
	{
		receipt *proof = new receipt;
		std::snprintf(proof->text, sizeof(proof->text), "order %zu was cancelled", number);
		orders_[number].reset();
		// Nobody keeps the receipt, and nobody deletes it.
	}

	std::size_t monthly_report() const
	{
		std::vector<std::string> lines;
		for (const auto &placed : orders_)
			if (placed)
				lines.push_back(placed->customer + " ordered " + std::to_string(placed->amount) +
						" pieces of " + placed->article + ", to be paid by the end of the month");
		std::string report;
		for (const std::string &line : lines)
			report += line + "\n";
		return report.size();
	}

      private:
	std::vector<std::unique_ptr<order>> orders_;
	std::unordered_map<std::string, int> sold_;
};

} // namespace

int main()
{
	shop corner;
	for (int i = 0; i < 60000; i++)
		corner.take(parse_order("customer number " + std::to_string(i % 977) + ";article " +
					std::to_string(i % 153) + ";" + std::to_string(i % 12 + 1)));
	for (std::size_t i = 0; i < 60000; i += 20)
		corner.cancel(i);
	std::printf("the report has %zu bytes\n", corner.monthly_report());
	return 0;
}
