#include "distribution/paper.h"

/* The second receiver's third 10 s value is also its first 30 s value, 340939: likely a slip. */
const struct paper_run paper_runs[PAPER_RUNS] = {
	{10, {146526, 146776, 144901}, -1}, {10, {146157, 127916, 141319}, -1},
	{10, {141433, 340939, 147129}, 1},  {30, {341379, 340939, 342612}, -1},
	{30, {240173, 243058, 359901}, -1}, {30, {352137, 351996, 354563}, -1},
	{60, {718342, 730943, 721741}, -1}, {60, {732062, 708527, 703673}, -1},
	{60, {697351, 697549, 688999}, -1}, {60, {702178, 703640, 701005}, -1},
	{60, {758586, 749016, 747809}, -1}, {60, {693862, 673256, 676327}, -1},
	{60, {726317, 711579, 708681}, -1}, {60, {696344, 716269, 705556}, -1},
	{60, {724229, 719180, 697063}, -1}, {60, {675995, 683513, 691806}, -1},
};

double imbalance_of(const uint64_t bytes[RECEIVERS], int without)
{
	uint64_t most = 0, sum = 0;
	int count = 0;

	for (int i = 0; i < RECEIVERS; i++) {
		if (i == without)
			continue;
		most = bytes[i] > most ? bytes[i] : most;
		sum += bytes[i];
		count++;
	}
	return sum ? (double)most * count / (double)sum - 1 : 0;
}
